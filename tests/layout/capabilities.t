#!/bin/sh
# The one-folder test: a capability comes and goes with its folder and its one line in
# src/host/capabilities.def. Copies the tree and builds it twice in one build folder:
#
#   1. with a new capability from the template, and without label
#   2. without trace (label is back, the new one is gone)
#
# and each time runs every unit test that is left.
. "${PL_ROOT:-$(dirname "$0")/../..}/tests/tap.sh"

tree=$T/tree
"$ROOT/tools/copy-tree" "$tree"
# Speed over everything: this asks whether it builds and passes, not how fast it is.
options='-Dbuildtype=plain -Doptimization=0 -Db_pie=false -Dwarning_level=0'

delete() {
    rm -rf "$tree/src/cap/$1"
    grep -q "^PL_CAPABILITY($1)\$" "$tree/src/host/capabilities.def" || return 1
    sed -i "/^PL_CAPABILITY($1)\$/d" "$tree/src/host/capabilities.def"
}

builds() {
    if [ ! -f "$tree/build/build.ninja" ]; then
        # shellcheck disable=SC2086 # several words
        meson setup "$tree/build" "$tree" $options >"$T/log" 2>&1 || {
            tail -n 40 "$T/log"
            return 1
        }
    fi
    ninja -C "$tree/build" all >"$T/log" 2>&1 || {
        grep -v '^\[' "$T/log" | tail -n 60
        return 1
    }
}

passes() { # SUITE…
    env -u PL_ROOT -u CI "$tree/tests/run" --build "$tree/build" "$@"
}

lists() { says "$1" "$tree/build/src/host/plumbline" --help; }
lists_not() { ! lists "$1" >/dev/null; }

t 'new-capability refuses a name that is taken' exits 4 "$tree/tools/new-capability" guard
t 'new-capability refuses a name that is no name' exits 2 "$tree/tools/new-capability" ../x
t 'new-capability makes a capability' "$tree/tools/new-capability" sample
t 'label goes away' delete label
t 'the tree without label and with the new one builds' builds
t 'the new capability passes its tests' passes unit/sample store/sample
t 'every other test passes' passes unit
t 'the command line has the new verb' lists sample
t 'the layers still hold' "$tree/tools/check-includes"

cp -R "$ROOT/src/cap/label" "$tree/src/cap/label"
cp "$ROOT/src/host/capabilities.def" "$tree/src/host/capabilities.def"
rm -rf "$tree/src/cap/sample"
t 'trace goes away' delete trace
t 'the tree without trace builds' builds
t 'its tests pass' passes unit
t 'the command line has lost the verb' lists_not trace
t_done
