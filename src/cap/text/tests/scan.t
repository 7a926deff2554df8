#!/bin/sh
# `plumbline scan` as a newcomer and as a script would use it.
PL_ROOT=${PL_ROOT:-$(cd "$(dirname "$0")/../../../.." && pwd)}
. "$PL_ROOT/tests/tap.sh"

PLUMBLINE=${PL_STAGE:-$ROOT/build/stage}/bin/plumbline
export PLUMBLINE_LANG=en
scan() { "$PLUMBLINE" scan "$@"; }
# json FILTER FILE…: what jq makes of the report.
json() {
    filter=$1
    shift
    scan --json "$@" 2>"$T/err" | jq -r "$filter"
}
# is WANTED command…: the output is exactly this.
is() {
    want=$1
    shift
    got=$("$@")
    [ "$got" = "$want" ] || {
        printf 'wanted "%s", got "%s"\n' "$want" "$got"
        return 1
    }
}

# A policy of two words, so that nothing here depends on what is shipped.
mkdir -p "$T/packs/words" "$T/tree/deep"
cat >"$T/packs/words/pack.yaml" <<'YAML'
id: words
version: "1.0.0"
kind: lexicon
jurisdiction: any
legal_weight: none
in_force: {from: "2026-01-01", to: null}
title: {zh: 测试词, en: test words}
licence: Apache-2.0
sources:
  - {id: own, title: own, evidence: P, date: "2026-01-01"}
YAML
printf 'id\ttext\tcategory\tlang\tseverity\tflags\tsource\tupdated\n%s\n%s\n' \
    "words.one	plumbobword	harm.fraud	en	2	word	own	2026-01-01" \
    "words.two	铅锤测试词	harm.drugs	zh	4	-	own	2026-01-01" >"$T/packs/words/entries.tsv"
cat >"$T/policy.yaml" <<'YAML'
policy: words
version: 1
packs: [words]
routes:
  default:
    input: [{category: "*", action: log}]
    output: [{category: "*", action: log}]
    label: {explicit: false}
    answers: {default: {zh: 不, en: no}}
YAML
P="--policy $T/policy.yaml --packs $T/packs"

printf 'nothing here\n' >"$T/clean.txt"
printf 'first line\n前面 plumbobword 后面 铅锤测试词\n' >"$T/two.txt"
: >"$T/empty.txt"
cp "$T/two.txt" "$T/tree/a.txt"
cp "$T/clean.txt" "$T/tree/b.txt"
printf 'plumbobword' >"$T/tree/deep/c.txt"
printf 'a\0b plumbobword\0' >"$T/nul.txt"
printf '\377\376 plumbobword \200\n' >"$T/bad.txt"
printf '\177ELF\0\0\377\376\200\201\202\203 plumbobword' >"$T/prog"
printf 'x \033]0;title\007 plumbobword\n' >"$T/control.txt"
for _ in $(seq 30); do printf 'plumbobword '; done >"$T/many.txt"

# shellcheck disable=SC2086 # several words
{
    t 'nothing found ends with 0' exits 0 scan $P "$T/clean.txt"
    t 'something found ends with 1' exits 1 scan $P "$T/two.txt"
    t 'an empty file is a clean file' is '0 0' json '"\(.bytes) \(.findings|length)"' $P "$T/empty.txt"
    t 'offsets are bytes of the original' is '18 29
37 52' json '.findings[]|"\(.start) \(.end)"' $P "$T/two.txt"
    t 'a finding names rule, category, severity, form and score' \
        is 'words.two harm.drugs 4 plain 1' \
        json '.findings[1]|"\(.rule) \(.category) \(.severity) \(.form) \(.score)"' $P "$T/two.txt"
    t 'people see line, column and the words around it' \
        says '2:8  harm.fraud  2  words.one
      前面 [plumbobword] 后面' scan $P "$T/two.txt"
    t 'standard input is read when nothing is named' sh -c "printf plumbobword | '$PLUMBLINE' scan $P --json | grep -q '\"file\":\"-\"'"
    t 'a folder is walked, one line a file, by name' is 'a.txt 2
b.txt 0
c.txt 1' sh -c "'$PLUMBLINE' scan $P --json '$T/tree' | jq -r '\"\(.file|split(\"/\")|last) \(.findings|length)\"'"
    t 'order does not depend on the number of jobs' sh -c "
        '$PLUMBLINE' scan $P --jobs 1 '$T/tree' '$T/many.txt' '$T/two.txt' >'$T/j1' 2>&1
        '$PLUMBLINE' scan $P --jobs 4 '$T/tree' '$T/many.txt' '$T/two.txt' >'$T/j4' 2>&1
        cmp '$T/j1' '$T/j4'"
    t 'what is not there is said, the rest is read, and 5 outranks 1' sh -c "
        code=0; '$PLUMBLINE' scan $P '$T/two.txt' '$T/absent' '$T/tree' >'$T/out' 2>'$T/err' || code=\$?
        [ \$code = 5 ] && grep -q absent '$T/err' && grep -q 'c.txt' '$T/out'"
    t 'with --json it is a line too' is 'i/o' json 'select(.error)|.error.code' $P "$T/absent"
    t 'severity can be asked for' is 'words.two' json '.findings[].rule' $P --min-severity 3 "$T/two.txt"
    t '--max-findings stops and says so' is '5 true' json '"\(.findings|length) \(.truncated)"' $P --max-findings 5 "$T/many.txt"
    t 'exactly as many as allowed is not truncated' is '30 false' json '"\(.findings|length) \(.truncated)"' $P --max-findings 30 "$T/many.txt"
    t 'NUL bytes do not hide anything' is '4' json '.findings[0].start' $P "$T/nul.txt"
    t 'bytes that are no UTF-8 are counted, words among them found' is '3 0 3' \
        json '"\(.invalid_utf8.bytes) \(.invalid_utf8.first) \(.findings[0].start)"' $P "$T/bad.txt"
    t 'a binary file is skipped and named so' is 'binary 0' json '"\(.skipped) \(.findings|length)"' $P "$T/prog"
    t 'unless asked for' is '1' json '.findings|length' $P --binary "$T/prog"
    t 'control characters of a text never reach the terminal' sh -c "
        ! '$PLUMBLINE' scan $P '$T/control.txt' | LC_ALL=C grep -q \"\$(printf '\033')\""
    t 'a compiled policy finds the same' sh -c "
        '$PLUMBLINE' policy compile '$T/policy.yaml' -o '$T/policy.db' --packs '$T/packs' &&
        '$PLUMBLINE' scan --json --policy '$T/policy.db' '$T/two.txt' >'$T/db'
        '$PLUMBLINE' scan --json $P '$T/two.txt' | cmp - '$T/db'"
    t 'a policy that is none ends with 4' exits 4 scan --policy "$T/two.txt" "$T/two.txt"
    t 'a damaged database is refused' sh -c "
        head -c 200 '$T/policy.db' >'$T/cut.db'; code=0
        '$PLUMBLINE' scan --policy '$T/cut.db' '$T/two.txt' || code=\$?; [ \$code = 4 ]"
    t 'a wrong number is a wrong usage' exits 2 scan $P --min-severity 9 "$T/two.txt"
    t 'an unknown part is a wrong usage' exits 2 scan $P --only magic "$T/two.txt"
    t 'without a policy the shipped one is used' exits 0 scan "$T/clean.txt"

    # Archives.
    gzip -c "$T/two.txt" >"$T/two.txt.gz"
    zstd -q -c "$T/two.txt" >"$T/two.txt.zst"
    tar -C "$T/tree" -czf "$T/tree.tar.gz" .
    (cd "$T/tree" && python3 -c 'import zipfile
z = zipfile.ZipFile("../tree.zip", "w", zipfile.ZIP_DEFLATED)
z.write("a.txt"); z.write("deep/c.txt"); z.close()')
    t 'gzip is opened' is '2' json '.findings|length' $P "$T/two.txt.gz"
    t 'zstd is opened' is '2' json '.findings|length' $P "$T/two.txt.zst"
    t 'members of a zip are named' is "$T/tree.zip!/a.txt 2
$T/tree.zip!/deep/c.txt 1" json '"\(.file) \(.findings|length)"' $P "$T/tree.zip"
    t 'tar.gz is opened' is '3' sh -c "'$PLUMBLINE' scan $P --json '$T/tree.tar.gz' | jq -s '[.[].findings|length]|add'"
    t 'unless told not to' is '0' json '.findings|length' $P --no-archives "$T/tree.zip"
    head -c 60 "$T/tree.zip" >"$T/cut.zip"
    head -c 40 "$T/two.txt.gz" >"$T/cut.gz"
    t 'a cut archive is trouble, not a crash' exits 5 scan $P "$T/cut.zip" "$T/cut.gz" "$T/two.txt"
    truncate -s 280M "$T/zeros"
    gzip -1 "$T/zeros"
    t 'a bomb is refused with its reason' sh -c "
        code=0; '$PLUMBLINE' scan $P '$T/zeros.gz' '$T/two.txt' >'$T/out' 2>'$T/err' || code=\$?
        [ \$code = 5 ] && grep -q 'unpacks to more than' '$T/err' && grep -q plumbobword '$T/out'"
    t 'Chinese is spoken' sh -c "PLUMBLINE_LANG=zh-CN '$PLUMBLINE' scan $P '$T/tree' 2>&1 | grep -q '3 个命中，涉及 2 / 3 个文件'"
}
t_done
