#!/bin/sh
# Every clause this tree claims is shown by a test; and a claim without one is noticed.
. "${PL_ROOT:-$(dirname "$0")/../..}/tests/tap.sh"

t 'every claimed clause has its test' "$ROOT/tools/check-reqs"

# Built from two words, so that this file itself claims nothing.
req=REQ proves=PROVES

tree() { # NAME LINE-IN-CODE LINE-IN-TEST
    mkdir -p "$T/$1/src" "$T/$1/tests"
    echo "/* $2 */" >"$T/$1/src/a.c"
    echo "/* $3 */" >"$T/$1/tests/a.c"
}

tree unproved "$req: GB45438-2025/5.1" ""
tree proved "$req: GB45438-2025/5.1" "$proves: GB45438-2025/5.1"
tree other "$req: GB45438-2025/5.1" "$proves: GB45438-2025/5.2"

t 'a claim without a test fails' exits 1 "$ROOT/tools/check-reqs" "$T/unproved"
t 'it is named with file and line' says 'src/a.c:1: ' "$ROOT/tools/check-reqs" "$T/unproved"
t 'a claim with its test passes' exits 0 "$ROOT/tools/check-reqs" "$T/proved"
t 'the test of another clause does not count' exits 1 "$ROOT/tools/check-reqs" "$T/other"
t_done
