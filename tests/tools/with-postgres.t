#!/bin/sh
# The private PostgreSQL serves, passes on the exit status, and leaves nothing behind.
. "${PL_ROOT:-$(dirname "$0")/../..}/tests/tap.sh"

TMPDIR=$T/pg
export TMPDIR
mkdir "$TMPDIR"
chmod 711 "$T" "$TMPDIR"

serves() {
    # shellcheck disable=SC2016 # expanded inside
    answer=$("$ROOT/tests/with-postgres" sh -c 'psql -XAtq "$PL_TEST_DB" -c "SELECT 6 * 7"')
    [ "$answer" = 42 ]
}
nothing_left() {
    left=$(ls -A "$TMPDIR")
    [ -z "$left" ] || {
        echo "left: $left"
        return 1
    }
}
signalled() {
    # shellcheck disable=SC2016 # expanded inside
    "$ROOT/tests/with-postgres" sh -c 'touch "$1/up"; exec sleep 60' sh "$T" &
    pid=$!
    for _ in $(seq 100); do
        [ -e "$T/up" ] && break
        sleep 0.1
    done
    [ -e "$T/up" ] && kill -TERM "$pid"
    exits 143 wait "$pid"
}

t 'it serves an empty database' serves
t 'it gives the exit status of the command' exits 7 "$ROOT/tests/with-postgres" sh -c 'exit 7'
t 'it leaves nothing behind' nothing_left
t 'it ends when told to' signalled
t 'it leaves nothing behind then either' nothing_left
t_done
