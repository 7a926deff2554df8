#!/bin/sh
# The layers hold in this tree, and the script that says so is not blind: every kind of
# breach is planted in a small copy and must be named with its line.
. "${PL_ROOT:-$(dirname "$0")/../..}/tests/tap.sh"

t 'this tree keeps its layers' "$ROOT/tools/check-includes"

plant() { # FILE INCLUDE...
    rm -rf "$T/tree"
    mkdir -p "$T/tree/src/base" "$T/tree/src/engine/text" "$T/tree/src/cap/guard" \
        "$T/tree/src/cap/label" "$T/tree/src/host/cli" "$T/tree/nginx" "$T/tree/include/plumbline"
    for header in src/base/buf.h src/engine/text/fold.h src/cap/capability.h \
        src/cap/label/pl_label.h src/cap/label/label_int.h src/cap/guard/pl_guard.h \
        src/host/cli/cli.h include/plumbline/text.h; do
        : >"$T/tree/$header"
    done
    file=$1
    shift
    case $file in
    src/*.c) echo '#include "base/banned.h"' ;;
    *) echo '/* no banned.h wanted here */' ;;
    esac >"$T/tree/$file"
    for name; do
        echo "#include $name" >>"$T/tree/$file"
    done
}

caught() { # FILE INCLUDE
    plant "$@"
    exits 1 "$ROOT/tools/check-includes" "$T/tree" && says "$1:2: " "$ROOT/tools/check-includes" "$T/tree"
}

allowed() {
    plant "$@"
    "$ROOT/tools/check-includes" "$T/tree"
}

first_is_not_banned() {
    plant src/base/x.c '"base/buf.h"'
    sed -i 1d "$T/tree/src/base/x.c"
    exits 1 "$ROOT/tools/check-includes" "$T/tree"
}

t 'base may not use engine' caught src/base/x.c '"engine/text/fold.h"'
t 'base may not use engine by a relative path' caught src/base/x.c '"../engine/text/fold.h"'
t 'engine may not use cap' caught src/engine/text/x.c '"cap/capability.h"'
t 'engine may not use a database' caught src/engine/text/x.c '<sqlite3.h>'
t 'cap may not use host' caught src/cap/guard/x.c '"host/cli/cli.h"'
t 'a missing header is judged by its layer' caught src/cap/guard/x.c '"host/gone.h"'
t 'a capability may not use the inside of another' caught src/cap/guard/x.c \
    '"cap/label/label_int.h"'
t 'host may not use the inside of a capability' caught src/host/cli/x.c '"cap/label/label_int.h"'
t 'shared files of cap use no capability' caught src/cap/x.c '"cap/label/pl_label.h"'
t 'nginx may not use another capability' caught nginx/x.c '"cap/label/pl_label.h"'
t 'nginx may not use the inside of guard' caught nginx/x.c '"cap/guard/guard_int.h"'
t 'nginx may not use host' caught nginx/x.c '"host/cli/cli.h"'
t 'a public header may not use src' caught include/plumbline/x.h '"base/buf.h"'
t 'a public header may not use a library' caught include/plumbline/x.h '<openssl/evp.h>'
t 'banned.h comes first' first_is_not_banned

t 'what is allowed is not reported' allowed src/cap/guard/x.c '<stdio.h>' '"base/buf.h"' \
    '"engine/text/fold.h"' '"cap/capability.h"' '"cap/label/pl_label.h"' '<plumbline/text.h>'
t 'nginx may use engine and guard' allowed nginx/x.c '<ngx_core.h>' '"cap/guard/pl_guard.h"' \
    '"engine/text/fold.h"'
t_done
