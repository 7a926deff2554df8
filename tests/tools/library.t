#!/bin/sh
# libplumbline as a stranger finds it: a pkg-config file, headers that stand alone, exactly the
# functions those headers promise, and few libraries behind it. Likewise the nginx module.
. "${PL_ROOT:-$(dirname "$0")/../..}/tests/tap.sh"

stage=$(readlink -f "${PL_STAGE:-$ROOT/build/stage}")
export PKG_CONFIG_PATH="$stage/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="${stage%/usr/local}"

cat >"$T/stranger.c" <<'C'
#include <plumbline/base.h>
#include <plumbline/log.h>
#include <plumbline/policydb.h>
#include <plumbline/text.h>
#include <stdio.h>

int main(void)
{
    pl_hash  leaf = pl_merkle_leaf(PL_STR(""));
    pl_error err;

    if (pl_fail(&err, PL_DENIED, "no '%s'", "way") != PL_DENIED)
        return 1;
    printf("%s %s %02x%02x %s\n", pl_version(), pl_rc_name(err.rc), leaf.b[0], leaf.b[31], err.text);
    return 0;
}
C

# RFC 6962: the leaf hash of the empty entry is SHA-256 of one zero byte, 6e34…1d.
stranger() {
    # shellcheck disable=SC2046 # flags
    gcc -std=c11 -pedantic-errors -Wall -Wextra -Werror $(pkg-config --cflags plumbline) \
        "$T/stranger.c" -o "$T/stranger" $(pkg-config --libs plumbline) || return 1
    got=$(LD_LIBRARY_PATH="$stage/lib" "$T/stranger")
    version=$(pkg-config --modversion plumbline)
    [ "$got" = "$version denied 6e1d no 'way'" ] || {
        echo "said '$got'"
        return 1
    }
}

symbols() {
    nm -D --defined-only "$stage/lib/libplumbline.so" | awk '$2 != "A" { print $3 }' |
        sed 's/@.*//' | sort >"$T/are"
    "$ROOT/tools/exported-symbols" "$ROOT"/include/plumbline/*.h | sort >"$T/promised"
    [ -s "$T/promised" ] && diff "$T/promised" "$T/are"
}

needs() { objdump -p "$1" | awk '/NEEDED/ { print $2 }'; }
needs_none_of() { # FILE PATTERN
    found=$(needs "$1" | grep -E "$2")
    [ -z "$found" ] || {
        echo "needs $found"
        return 1
    }
}

# nginx loads by these names; everything else of ours must stay inside.
module_symbols() {
    nm -D --defined-only "$1" | awk '{ print $3 }' | grep -vE '^ngx_|^__(asan|odr|ubsan)' >"$T/extra"
    [ ! -s "$T/extra" ] || {
        head "$T/extra"
        return 1
    }
    nm -D --defined-only "$1" | grep -q ' ngx_modules$'
}

module=$stage/lib/nginx/modules/ngx_http_plumbline_module.so
t 'a program of a stranger compiles, links and runs' stranger
t 'exported is what the headers promise and nothing else' symbols
t 'the library needs no database and no HTTP' needs_none_of "$stage/lib/libplumbline.so" \
    'sqlite|libpq|curl|microhttpd|sodium'
t 'the nginx module needs no database and no HTTP client' needs_none_of "$module" \
    'sqlite|libpq|curl|microhttpd|fyaml'
t 'the nginx module exports only what nginx asks for' module_symbols "$module"
t_done
