#!/bin/sh
# What the documents say exists, and what exists is in the documents.
PL_ROOT=${PL_ROOT:-$(cd "$(dirname "$0")/../../../.." && pwd)}
. "$PL_ROOT/tests/tap.sh"

PLUMBLINE=${PL_STAGE:-$ROOT/build/stage}/bin/plumbline
export PLUMBLINE_LANG=en

# Fonts and hyphens of the manual page removed.
plain() { sed 's/^\.[A-Z]* *//; s/\\f[A-Z]//g; s/\\-/-/g; s/"//g' "$1"; }

# "noun" or "noun verb" of every command that the help screen shows.
commands() {
    "$PLUMBLINE" --help | sed -n '/^Commands/,/^$/s/^  \([a-z-]*\( [a-z]*\)\{0,1\}\)  .*/\1/p'
}

man_names_commands() {
    plain "$ROOT/docs/man/plumbline.1" >"$T/man"
    commands >"$T/commands"
    [ "$(wc -l <"$T/commands")" -gt 10 ] || { echo 'the help screen was not understood'; return 1; }
    missing=0
    while read -r noun verb; do
        # A noun once; its verbs in any order after it ("add|passwd|disable").
        grep -qE "(^|[ ,])$noun( |\||$).*${verb:-}" "$T/man" ||
            { echo "not in plumbline(1): $noun $verb"; missing=1; }
    done <"$T/commands"
    return $missing
}

man_names_keys() {
    missing=0
    section=
    sed -n 's/^\( *\)\([a-z_]*\):.*/\1\2/p' "$ROOT/share/defaults/plumbline.yaml.in" >"$T/keys"
    [ "$(wc -l <"$T/keys")" -gt 8 ] || { echo 'the configuration was not understood'; return 1; }
    while IFS= read -r line; do
        key=${line#"${line%%[! ]*}"}
        [ "$key" = gateway ] && { section=gateway.; continue; }
        grep -qx "\.B $section$key" "$ROOT/docs/man/plumbline.yaml.5" ||
            { echo "not in plumbline.yaml(5): $section$key"; missing=1; }
    done <"$T/keys"
    return $missing
}

# Lines of a document that call plumbline: the command must exist.
readme_commands_exist() {
    grep -ohE '^ +plumbline [a-z]+( [a-z]+)?' "$ROOT/$1" | sort -u >"$T/calls"
    [ -s "$T/calls" ] || { echo 'no command found'; return 1; }
    while read -r _ noun verb; do
        "$PLUMBLINE" "$noun" ${verb:+"$verb"} --help >/dev/null 2>&1 ||
            "$PLUMBLINE" "$noun" --help >/dev/null 2>&1 ||
            { echo "$1 calls what is not there: $noun $verb"; return 1; }
    done <"$T/calls"
}

# Relative links and pictures. The screenshot is made by the browser tests.
links_resolve() {
    grep -oE '\]\([^)]*\)' "$ROOT/$1" | sed 's/^](//; s/)$//' >"$T/links"
    [ -s "$T/links" ] || { echo 'no link found'; return 1; }
    while read -r link; do
        case $link in
        http*) continue ;;
        esac
        [ -e "$ROOT/$link" ] || echo "$1 points nowhere: $link"
    done <"$T/links" >"$T/broken"
    ! [ -s "$T/broken" ] || { cat "$T/broken"; return 1; }
}

t 'the manual page names every command' man_names_commands
t 'the manual page of the configuration names every key' man_names_keys
for readme in README.md README.zh-CN.md; do
    t "every command in $readme exists" readme_commands_exist "$readme"
    t "every link in $readme leads somewhere" links_resolve "$readme"
done
t_done
