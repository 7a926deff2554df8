#!/bin/sh
# The runner counts what programs say and believes none of them: a crash, a broken promise, a
# silent program and an unlisted skip are failures.
. "${PL_ROOT:-$(dirname "$0")/../..}/tests/tap.sh"

# A tree that holds only the runner and the tests planted in it.
mkdir -p "$T/tree/tests/tools" "$T/tree/tests/gateway" "$T/tree/build/meson-info" "$T/tree/tools"
cp "$ROOT/tests/run" "$T/tree/tests/"
echo 'listed one # a reason' >"$T/tree/tests/expected-skips"
echo '[]' >"$T/tree/build/meson-info/intro-tests.json"
ln -s "$ROOT/tools/node" "$T/tree/tools/node"

plant() { # LINES of a shell program
    printf '#!/bin/sh\n%s\n' "$1" >"$T/tree/tests/tools/x.t"
    chmod +x "$T/tree/tests/tools/x.t"
}

last() { # SUITE [ENV…]
    suite=$1
    shift
    env -u CI "$@" "$T/tree/tests/run" "$suite" | tail -n 1
}

counts() { # WANTED PROGRAM [ENV…]
    wanted=$1
    plant "$2"
    shift 2
    got=$(last tools "$@")
    [ "$got" = "$wanted" ] || {
        echo "last line '$got', wanted '$wanted'"
        return 1
    }
}

status() {
    plant "$2"
    exits "$1" env -u CI "$T/tree/tests/run" tools
}

t 'passes are counted' counts '2 passed, 0 failed' \
    'echo "1..2"; echo "ok 1 - a"; echo "ok 2 - b"'
t 'failures are counted' counts '1 passed, 1 failed' \
    'echo "ok 1 - a"; echo "not ok 2 - b"; echo "1..2"; exit 1'
t 'skips are counted' counts '1 passed, 0 failed, 1 skipped' \
    'echo "1..2"; echo "ok 1 - a"; echo "ok 2 - b # SKIP why"'
t 'a skip as cmocka writes it is counted' counts '1 passed, 0 failed, 1 skipped' \
    'echo "1..2"; echo "ok 1 - a"; echo "# skip: why"; echo "not ok 2 # SKIP b"'
t 'fewer tests than planned is a failure' counts '1 passed, 1 failed' \
    'echo "1..2"; echo "ok 1 - a"'
t 'a crash is a failure' counts '1 passed, 1 failed' 'echo "1..1"; echo "ok 1 - a"; kill -9 $$'
t 'an exit status is a failure' counts '1 passed, 1 failed' \
    'echo "1..1"; echo "ok 1 - a"; exit 3'
t 'a program without tests is a failure' counts '0 passed, 1 failed' 'exit 0'
t 'an unlisted skip fails in CI' counts '1 passed, 1 failed, 1 skipped' \
    'echo "1..2"; echo "ok 1 - a"; echo "ok 2 - b # SKIP why"' CI=true
t 'a listed skip passes in CI' counts '1 passed, 0 failed, 1 skipped' \
    'echo "1..2"; echo "ok 1 - a"; echo "ok 2 - listed one # SKIP a reason"' CI=true
t 'a listed skip with another reason fails in CI' counts '1 passed, 1 failed, 1 skipped' \
    'echo "1..2"; echo "ok 1 - a"; echo "ok 2 - listed one # SKIP b reason"' CI=true
t 'the exit status tells of a failure' status 1 'echo "1..1"; echo "not ok 1 - a"; exit 1'
t 'the exit status tells of success' status 0 'echo "1..1"; echo "ok 1 - a"'
t 'no test at all is no success' status 1 'echo "1..0 # SKIP nothing"'

cat >"$T/tree/tests/gateway/n.test.mjs" <<'JS'
import test from 'node:test';
import assert from 'node:assert';
test('good', () => {});
test('bad', () => assert.equal(1, 2));
test('outer', async (t) => { await t.test('inner', () => {}); });
test('left out', { skip: 'some reason' }, () => {});
JS
node_counts() {
    got=$(last gateway)
    [ "$got" = "$1" ] || {
        echo "last line '$got', wanted '$1'"
        return 1
    }
}
node_says() { says "$1" env -u CI "$T/tree/tests/run" gateway; }
if "$ROOT/tools/node" --version >/dev/null 2>&1; then
    t 'tests of Node are counted' node_counts '3 passed, 1 failed, 1 skipped'
    t 'skips of Node keep name and reason' node_says 'skipped: left out # some reason'
    echo 'syntax error (' >"$T/tree/tests/gateway/n.test.mjs"
    t 'a broken file of Node is a failure' node_counts '0 passed, 1 failed'
fi
t_done
