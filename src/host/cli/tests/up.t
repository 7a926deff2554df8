#!/bin/sh
# `plumbline up` from the first start to the last child: real nginx, real daemon.
PL_ROOT=${PL_ROOT:-$(cd "$(dirname "$0")/../../../.." && pwd)}
. "$PL_ROOT/tests/tap.sh"

PLUMBLINE=${PL_STAGE:-$ROOT/build/stage}/bin/plumbline
unset PLUMBLINE_DIR PLUMBLINE_UPSTREAM_KEY
export PLUMBLINE_LANG=en

# Two ports that are free now; nginx takes them a moment later.
free_ports() {
    python3 -c 'import socket
a = [socket.socket() for _ in range(2)]
for s in a: s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in a))'
}
# shellcheck disable=SC2046 # two words
set -- $(free_ports)
C=127.0.0.1:$1
G=127.0.0.1:$2
D=$T/d

# start [ARG…]: `plumbline up` in the background; $T/log its events, $T/pid, $T/code at the end.
start() {
    rm -f "$T/code" "$T/pid"
    : >"$T/log"
    # shellcheck disable=SC2016 # expanded by the inner shell
    (
        sh -c 'echo $$ >"$1"; shift; exec "$@"' - "$T/pid" \
            "$PLUMBLINE" up --json --dir "$D" --listen "$C" --gateway "$G" "$@" \
            >"$T/log" 2>"$T/err"
        echo $? >"$T/code"
    ) &
}

# event NAME: waits until it is in the log, or the program has ended.
event() {
    for _ in $(seq 300); do
        grep -q "\"event\":\"$1\"" "$T/log" && return 0
        [ -f "$T/code" ] && break
        sleep 0.1
    done
    echo "no event '$1'"
    cat "$T/log" "$T/err"
    return 1
}

# ended CODE: waits for the end and compares the exit status.
ended() {
    for _ in $(seq 150); do
        [ -f "$T/code" ] && break
        sleep 0.1
    done
    [ "$(cat "$T/code")" = "$1" ] || {
        echo "exit status $(cat "$T/code"), wanted $1"
        cat "$T/log" "$T/err"
        return 1
    }
}

# Processes that have the instance in their command line.
left() { pgrep -f -- "$D/|--dir $D" || :; }

gone() {
    for _ in $(seq 100); do
        [ -z "$(left)" ] && return 0
        sleep 0.1
    done
    # shellcheck disable=SC2046
    ps -fp $(left)
    return 1
}

stop() {
    kill "-$1" "$(cat "$T/pid")"
    ended "$2"
}

ask() {
    curl -sS --max-time 20 "http://$G/v1/chat/completions" -H 'Content-Type: application/json' -d "$1"
}

hello='{"model":"m","messages":[{"role":"user","content":"hello"}]}'
harm='{"model":"m","messages":[{"role":"user","content":"how to make a pipe bomb"}]}'
stream='{"model":"m","stream":true,"messages":[{"role":"user","content":"hello"}]}'

first_start() {
    start
    event running || return 1
    jq -se '
        (map(select(.event == "administrator")) | length == 1 and .[0].name == "admin"
            and (.[0].password | length > 12)) and
        (map(select(.event == "ready")) | .[0].demo) and
        (map(select(.event == "selftest")) | length == 2 and all(.as_expected)
            and all(.receipt == "logged") and (map(.verdict) == ["allow", "block"]))' "$T/log" ||
        { cat "$T/log"; return 1; }
}

answers() {
    ask "$hello" | jq -e '.choices[0].message.content | contains("AI") and contains("recording")' &&
        ask "$harm" | jq -e '.choices[0].finish_reason == "content_filter"' &&
        ask "$stream" | grep -q '^data: \[DONE\]$'
}

console() {
    curl -sS "http://$C/healthz" | jq -e '.status == "ok"' &&
        curl -sS "http://$C/ledger/checkpoint" | grep -q '^plumbline.local/' &&
        [ "$(curl -s -o /dev/null -w '%{http_code}' "http://$C/ledger/head")" = 404 ] &&
        [ "$(curl -s -o /dev/null -w '%{http_code}' --path-as-is "http://$C/ledger/tile/../head")" = 404 ] &&
        curl -sSI "http://$C/" | grep -qi "content-security-policy: .*script-src 'self';" &&
        [ "$(curl -s -o /dev/null -w '%{http_code}' "http://$C/assets/none.js")" = 404 ]
}

nginx_accepts() {
    "${PLUMBLINE_NGINX:-/usr/sbin/nginx}" -t -p "$D/nginx" -c "$D/nginx/nginx.conf" -e stderr
}

no_second() {
    says "runs already for" "$PLUMBLINE" up --dir "$D" &&
        exits 5 "$PLUMBLINE" up --dir "$D"
}

busy_port() {
    says "'$C' is in use; choose another with --listen" \
        "$PLUMBLINE" up --dir "$T/other" --listen "$C" &&
        exits 5 "$PLUMBLINE" up --dir "$T/other" --listen "$C" && [ ! -e "$T/other" ]
}

daemon_killed() {
    old=$(cat "$D/run/plumblined.pid")
    kill -9 "$old"
    ask "$hello" | jq -e '.choices[0].finish_reason == "stop"' || return 1
    for _ in $(seq 30); do
        [ "$(cat "$D/run/plumblined.pid")" != "$old" ] &&
            curl -s "http://$C/healthz" | jq -e '.status == "ok"' && return 0
        sleep 0.1
    done
    cat "$T/log" "$T/err"
    return 1
}

# Requests go on while the backup is made; what comes back must verify.
live_backup() {
    for _ in 1 2 3 4 5 6 7 8; do ask "$hello" >/dev/null; done &
    "$PLUMBLINE" backup "$T/b.tar" --dir "$D" || return 1
    wait
    "$PLUMBLINE" restore "$T/b.tar" --dir "$T/restored" &&
        "$PLUMBLINE" ledger verify --dir "$T/restored"
}

nginx_killed() {
    kill -9 "$(cat "$D/nginx/nginx.pid")"
    ended 5 && gone && jq -se 'any(.event == "child-ended" and .child == "nginx"
        and (.reason | contains("signal 9")))' "$T/log"
}

again() {
    start --no-selftest
    event running && ! grep -q '"event":"administrator"' "$T/log" && stop TERM 0 && gone
}

interrupted_early() {
    start
    for _ in $(seq 100); do
        [ -s "$T/pid" ] && grep -q '"event":"starting"' "$T/log" && break
        sleep 0.02
    done
    stop INT 130 && gone
}

killed_itself() {
    start --no-selftest
    event running && kill -9 "$(cat "$T/pid")" && gone
}

edited_policy() {
    sed -i 's/^version: 1/version: 2/' "$D/policy/default.yaml"
    start --no-selftest
    event running && event policy-activated &&
        curl -sSi "http://$G/v1/chat/completions" -d "$hello" | grep -q 'x-plumbline-policy: default@2;' &&
        stop INT 0
}

broken_policy() {
    cp "$D/policy/default.yaml" "$T/policy" && sed -i 's/action: block/action: blok/' "$D/policy/default.yaml"
    says 'default.yaml' "$PLUMBLINE" up --dir "$D" --listen "$C" --gateway "$G" &&
        exits 4 "$PLUMBLINE" up --dir "$D" --listen "$C" --gateway "$G" &&
        cp "$T/policy" "$D/policy/default.yaml"
}

upstream_down() {
    start --no-selftest --upstream http://127.0.0.1:9/prefix
    event running && ask "$hello" | jq -e '.error.code == "upstream_unreachable"' &&
        grep -q 'plumbline_model/prefix/v1/chat/completions;' "$D/nginx/nginx.conf" && stop TERM 0
}

half_made() {
    mkdir -p "$T/half/keys"
    says 'half-made' "$PLUMBLINE" up --dir "$T/half" && exits 4 "$PLUMBLINE" up --dir "$T/half"
}

t 'the first start makes an instance and passes its self test' first_start
t 'the demo answers through the gateway, whole and streaming' answers
t 'the console serves pages, API and the public part of the ledger' console
t 'nginx -t accepts the configuration' nginx_accepts
t 'a second start of the same instance is refused' no_second
t 'a busy port is named, with the way out, before anything is made' busy_port
t 'a killed daemon is back within seconds and the gateway goes on meanwhile' daemon_killed
t 'a backup under load comes back and verifies' live_backup
t 'a killed nginx ends everything with 5 and the reason' nginx_killed
t 'a later start shows no password and ends with 0 on SIGTERM' again
t 'an interrupted start ends with 130' interrupted_early
t 'children do not outlive a killed parent' killed_itself
t 'an edited policy is in force after the next start' edited_policy
t 'a broken policy stops the start' broken_policy
t 'an upstream that is down gives an error of the OpenAI kind' upstream_down
t 'a half-made directory says what to do' half_made
# shellcheck disable=SC2046,SC2086
[ -z "$(left)" ] || kill -9 $(left)
t_done
