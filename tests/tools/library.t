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

# Labels, offline: a text that carries one, one that does not, and a file that has no place for it.
cat >"$T/labels.c" <<'C'
#include <plumbline/label.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const DOC = "{\"a\": 1}";

static pl_rc label(pl_str in, const char *name, unsigned flags, pl_str *out, pl_error *err)
{
    pl_label_facts f = { PL_LABEL_GENERATED, PL_STR("001191110102MAD55U9H0F10002"), PL_STR("c-1"), flags };
    void          *p = NULL;
    size_t         n = 0;
    pl_rc          rc = pl_label_write(in, name, &f, &p, &n, err);

    if (rc == PL_OK)
        *out = (pl_str){ p, n };
    return rc;
}

static int look(pl_str file, const char *name)
{
    pl_inspect *i;
    pl_error    err;

    if (pl_inspect_new(file, name, &i, &err) != PL_OK)
        return printf("%s\n", err.text);
    printf("%s %s %zu\n", pl_inspect_format(i), pl_inspect_container(i), pl_inspect_labels(i));
    for (size_t k = 0; k < pl_inspect_labels(i); k++) {
        pl_inspect_label l = pl_inspect_label_get(i, k);
        printf("  %s %d %.*s %.*s %d\n", l.carrier, (int)l.claim, PL_STR_ARG(l.producer), PL_STR_ARG(l.content_id), l.conforms);
        for (size_t d = 0; d < l.deviations; d++)
            printf("    %s (%s)\n", pl_inspect_deviation_get(i, k, d).code, pl_inspect_deviation_get(i, k, d).clause);
    }
    for (size_t k = 0; k < pl_inspect_notes(i); k++)
        printf("  %s\n", pl_inspect_note_get(i, k).code);
    pl_inspect_free(i);
    return 0;
}

int main(void)
{
    pl_str   doc = { DOC, strlen(DOC) }, once, again;
    pl_error err = { PL_OK, "" };

    look(doc, "a.json");
    if (label(doc, "a.json", 0, &once, &err) != PL_OK)
        return 1;
    look(once, "a.json");
    printf("%s\n", pl_rc_name(label(once, "a.json", 0, &again, &err)));
    if (label(once, "a.json", PL_LABEL_REPLACE, &again, &err) != PL_OK)
        return 2;
    printf("%d\n", again.n == once.n && memcmp(again.p, once.p, once.n) == 0);
    printf("%s %s\n", pl_rc_name(label(PL_STR("words\n"), "a.txt", 0, &again, &err)), err.text);
    look(PL_STR("{\"AIGC\": {\"Lable\": \"1\"}}"), "a.json");
    look(PL_STR("{\"cut\": "), "a.json");
    look(PL_STR("\001\002\0\003"), NULL);
    return 0;
}
C
labels() {
    # shellcheck disable=SC2046 # flags
    gcc -std=c11 -pedantic-errors -Wall -Wextra -Werror $(pkg-config --cflags plumbline) \
        "$T/labels.c" -o "$T/labels" $(pkg-config --libs plumbline) || return 1
    LD_LIBRARY_PATH="$stage/lib" "$T/labels" >"$T/said" || return 1
    diff - "$T/said" <<'X'
json whole 0
json whole 1
  json.member 1 001191110102MAD55U9H0F10002 c-1 1
conflict
1
not found text files have no place for a label
json whole 1
  json.member 1   0
    label.member-misspelt (GB 45438-2025 Annex E)
    label.member-missing (GB 45438-2025 Annex E)
    label.member-missing (GB 45438-2025 Annex E)
    label.member-missing (GB 45438-2025 Annex E)
    label.member-missing (GB 45438-2025 Annex E)
    label.member-missing (GB 45438-2025 Annex E)
    label.member-missing (GB 45438-2025 Annex E)
    label.producer-empty (GB 45438-2025 6.1 a))
    label.produce-id-empty (GB 45438-2025 6.1 a))
json malformed 0
  json.syntax
not supported yet: the file is of no format that is read
X
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
t 'such a program labels files and reads labels' labels
t 'exported is what the headers promise and nothing else' symbols
t 'the library needs no database and no HTTP' needs_none_of "$stage/lib/libplumbline.so" \
    'sqlite|libpq|curl|microhttpd|sodium'
t 'the nginx module needs no database and no HTTP client' needs_none_of "$module" \
    'sqlite|libpq|curl|microhttpd|fyaml'
t 'the nginx module exports only what nginx asks for' module_symbols "$module"
t_done
