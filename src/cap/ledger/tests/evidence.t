#!/bin/sh
# Evidence packages from export to the verifier that needs nothing: who hands out, who receives.
PL_ROOT=${PL_ROOT:-$(cd "$(dirname "$0")/../../../.." && pwd)}
. "$PL_ROOT/tests/tap.sh"

BIN=${PL_STAGE:-$ROOT/build/stage}/bin
PLUMBLINE=$BIN/plumbline
unset PLUMBLINE_DIR
export PLUMBLINE_LANG=en
is() {
    want=$1
    shift
    got=$("$@")
    [ "$got" = "$want" ] || {
        printf 'wanted "%s", got "%s"\n' "$want" "$got"
        return 1
    }
}
evidence() { "$PLUMBLINE" evidence "$@"; }
# ok PKG [ARG…]: "ok" and problems of the report.
report() { "$PLUMBLINE" evidence verify --json "$@" | jq -c '[.ok, .key_from, (.problems|length)]'; }

"$PLUMBLINE" init --dir "$T/d" >"$T/init" 2>&1
P=$T/p.tar
K=$T/d/ledger/vkey
export_all() { evidence export --dir "$T/d" --type '*' --to 'Assessor Ltd' --reason 'audit' "$@"; }

t 'who it is for and why must be said' exits 2 evidence export --dir "$T/d" --type '*' -o "$P"
t 'which entries must be said' exits 2 evidence export --dir "$T/d" --to x --reason y -o "$P"
t 'nothing that fits is said, and no package is made' sh -c "
    code=0; '$PLUMBLINE' evidence export --dir '$T/d' --type nothing --to x --reason y -o '$P' || code=\$?
    [ \$code = 4 ] && [ ! -e '$P' ]"
t 'an entry beyond the log is refused' exits 4 evidence export --dir "$T/d" --entry 0,99 --to x --reason y -o "$P"
t 'a package is made' export_all -o "$P"
t 'it is recorded as a statement of its own' sh -c "
    '$PLUMBLINE' evidence export --dir '$T/d' --type evidence-exported --to 'Court' --reason 'case' -o '$T/q.tar' --json >'$T/q.json' &&
    '$PLUMBLINE' evidence verify '$T/q.tar' --json | jq -e '
        .entries[0].statement.predicate | .recipient == \"Assessor Ltd\" and .purpose == \"audit\"' &&
    '$PLUMBLINE' evidence verify '$T/q.tar' --json |
        jq -r '.entries[0].statement.predicate.package_sha256' >'$T/sum' &&
    echo \"\$(cat '$T/sum')  $P\" | sha256sum -c --quiet"
t 'the ledger is sound after that' "$PLUMBLINE" ledger verify --dir "$T/d"
t 'it holds by itself' is '[true,"package",0]' report "$P"
t 'and with the key from elsewhere' is '[true,"option",0]' report "$P" --key "$K"
t 'the key may be a word too' is '[true,"option",0]' report "$P" --key "$(cat "$K")"
t 'without a key it says that nobody knows whose log it is' says 'which came with the package' evidence verify "$P"
t 'Chinese is spoken' says '证据包成立' evidence verify "$P" --lang zh-CN
t 'it is an ordinary tar archive' sh -c "tar tf '$P' | grep -q '^entry/0.tlog-proof\$'"

"$PLUMBLINE" init --dir "$T/other" >"$T/init" 2>&1
t 'with the key of another log it does not hold' exits 1 evidence verify "$P" --key "$T/other/ledger/vkey"
t 'a key that is none is bad input' exits 4 evidence verify "$P" --key "$P"
t 'something else is no package' exits 4 evidence verify "$K"

# One byte of a statement.
python3 - "$P" "$T/bad.tar" <<'PY'
import sys
b = bytearray(open(sys.argv[1], 'rb').read())
i = b.index(b'entry/1.json') + 512 + 40
b[i] = ord('A') if b[i] != ord('A') else ord('B')
open(sys.argv[2], 'wb').write(b)
PY
t 'a changed statement is named' says 'entry 1:' evidence verify "$T/bad.tar"
t 'and ends with 1' exits 1 evidence verify "$T/bad.tar"

# The verifiers without shared libraries.
if [ -x "$BIN/plumbline-verify" ]; then
    for v in plumbline-verify plumbline-verify-ed25519; do
        t "$v agrees" sh -c "'$BIN/$v' '$P' --json >'$T/a' && '$PLUMBLINE' evidence verify '$P' --json | cmp - '$T/a'"
        t "$v believes a key" exits 0 "$BIN/$v" "$P" --key "$K"
        t "$v finds the changed statement" exits 1 "$BIN/$v" "$T/bad.tar"
        t "$v knows what is no package" exits 4 "$BIN/$v" "$K"
        t "$v explains its usage" exits 2 "$BIN/$v"
        # Nothing installed: an empty root with the program and the package, and nothing else.
        if [ "$(id -u)" = 0 ]; then
            mkdir -p "$T/empty-$v"
            cp "$BIN/$v" "$T/empty-$v/v"
            cp "$P" "$T/empty-$v/p"
            t "$v needs nothing installed" says 'The package holds' chroot "$T/empty-$v" /v /p
        else
            t "$v needs nothing installed" sh -c "! ldd '$BIN/$v'"
        fi
    done
    smaller() { [ "$(stat -Lc %s "$1")" -le "$2" ]; }
    t 'the small one fits in a megabyte' smaller "$BIN/plumbline-verify-ed25519" 1000000
    t 'the other in six' smaller "$BIN/plumbline-verify" 6000000
else
    t_skip 'the verifiers without shared libraries' 'not built under sanitizers'
fi

# A time stamp authority of our own, by another implementation.
(
    cd "$T" || exit 1
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem \
        -days 3650 -subj '/CN=Test Root'
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tsa.key -out tsa.csr \
        -subj '/CN=Test TSA'
    printf 'extendedKeyUsage=critical,timeStamping\nbasicConstraints=CA:FALSE\n' >ext
    openssl x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile ext \
        -out tsa.pem
    cat >tsa.cnf <<'CNF'
[tsa]
default_tsa = one
[one]
serial = serial
signer_cert = tsa.pem
certs = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256, sm3
accuracy = secs:1
ess_cert_id_alg = sha256
CNF
    echo 01 >serial
    # What is stamped: the checkpoint up to its first line of signatures.
    awk '{ print } /^— / { exit }' d/ledger/checkpoint >stamped
    openssl ts -query -data stamped -sha256 -cert -out q.tsq
    openssl ts -reply -config tsa.cnf -queryfile q.tsq -out r.tsr
    openssl ts -query -data stamped -sm3 -cert -out q3.tsq
    openssl ts -reply -config tsa.cnf -queryfile q3.tsq -out r3.tsr
    echo other >other.txt
    openssl ts -query -data other.txt -sha256 -cert -out qo.tsq
    openssl ts -reply -config tsa.cnf -queryfile qo.tsq -out ro.tsr
) >"$T/tsa.log" 2>&1
# The log moves on with every export, so the packages are made from a copy of it.
cp -R "$T/d/ledger" "$T/copy"
stamped() { evidence export --dir "$T/copy" --key "$(cat "$K")" --entry 0 --to x --reason y "$@"; }
t 'a time stamp goes into a package' stamped --timestamp "$T/r.tsr" -o "$T/stamped.tar"
t 'it dates the log for those who trust its authority' says "says 'CN=Test TSA'" \
    evidence verify "$T/stamped.tar" --key "$K" --tsa-roots "$T/ca.pem"
t 'and for nobody else' sh -c "
    '$PLUMBLINE' evidence verify '$T/stamped.tar' --json | jq -e '.ok and .latest_time_from == \"claim\"'"
t 'an imprint by SM3 is accepted' sh -c "
    '$PLUMBLINE' evidence export --dir '$T/copy' --key \"\$(cat '$K')\" --entry 0 --to x --reason y \
        --timestamp '$T/r3.tsr' -o '$T/sm3.tar' &&
    '$PLUMBLINE' evidence verify '$T/sm3.tar' --tsa-roots '$T/ca.pem' --json |
        jq -e '.latest_time_from == \"CN=Test TSA\"'"
t 'a stamp of something else is not put in' sh -c "
    ! '$PLUMBLINE' evidence export --dir '$T/copy' --key \"\$(cat '$K')\" --entry 0 --to x --reason y \
        --timestamp '$T/ro.tsr' -o '$T/wrong.tar' 2>'$T/err' && grep -q 'for something else' '$T/err'"
t 'an answer that is none is not put in' exits 4 evidence export --dir "$T/copy" --key "$(cat "$K")" \
    --entry 0 --to x --reason y --timestamp "$K" -o "$T/wrong.tar"
t 'a copy of a log is exported without a record, and says so' says 'not recorded' stamped -o "$T/copy.tar"
if [ -x "$BIN/plumbline-verify" ]; then
    t 'the verifier without libraries checks time stamps' says "says 'CN=Test TSA'" \
        "$BIN/plumbline-verify" "$T/stamped.tar" --tsa-roots "$T/ca.pem"
    t 'the small one says that it does not' says 'was not checked' \
        "$BIN/plumbline-verify-ed25519" "$T/stamped.tar"
fi
t_done
