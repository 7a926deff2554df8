#!/bin/sh
# Policies on trial: `policy test --cases` and `policy replay`.
PL_ROOT=${PL_ROOT:-$(cd "$(dirname "$0")/../../../.." && pwd)}
. "$PL_ROOT/tests/tap.sh"

PLUMBLINE=${PL_STAGE:-$ROOT/build/stage}/bin/plumbline
export PLUMBLINE_LANG=en
policy() { "$PLUMBLINE" policy "$@"; }

mkdir -p "$T/packs/words"
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
printf 'id\ttext\tcategory\tlang\tseverity\tflags\tsource\tupdated\tfrom\tto\n%s\n%s\n%s\n' \
    "words.one	plumbobword	harm.fraud	en	2	word	own	2026-01-01	-	-" \
    "words.two	铅锤测试词	harm.drugs	zh	4	-	own	2026-01-01	-	-" \
    "words.may	seasonword	harm.fraud	en	4	word	own	2026-01-01	2026-05-01	2026-05-31" \
    >"$T/packs/words/entries.tsv"

# policy_of NAME LEAST: blocks from severity LEAST on, takes mail addresses out.
policy_of() {
    cat >"$T/$1.yaml" <<YAML
policy: words
version: 1
packs: [words]
detectors: [pii.email]
routes:
  default:
    input:
      - {category: "harm.*", min_severity: $2, action: block}
      - {category: "pii.*", action: redact}
      - {category: "*", action: log}
    output:
      - {category: "harm.*", min_severity: $2, action: block}
      - {category: "*", action: log}
    label: {explicit: false}
    answers: {default: {zh: 不, en: no}}
YAML
    policy compile "$T/$1.yaml" -o "$T/$1.db" --packs "$T/packs" >/dev/null
}
policy_of strict 2
policy_of mild 4

cat >"$T/good.jsonl" <<'JSON'
{"id":"calm","text":"nothing here","expect":{"verdict":"allow","findings":[]}}
{"id":"word","text":"a plumbobword","expect":{"verdict":"block","findings":["harm.fraud"]}}
{"id":"said","direction":"output","text":"说铅锤测试词","expect":{"verdict":"block"}}
{"id":"blocks","surface":"messages","request":{"system":"plumbobword","messages":[{"role":"user","content":"x"}]},"expect":{"verdict":"block"}}
{"id":"taken out","text":"mail ann@example.org","expect":{"verdict":"allow","findings":["pii.email"],"not_forwarded":"ann@"}}
{"id":"malformed","request":{"messages":[]},"expect":{"verdict":"refuse"}}
JSON
printf '%s\n' '{"id":"calm","text":"nothing here","expect":{"verdict":"block"}}' \
    '{"id":"none","text":"plumbobword","expect":{"findings":[]}}' >"$T/bad.jsonl"
printf '{"id":"a","text":"x"}\n{"id":' >"$T/broken.jsonl"

# The same word before, in and after its time, and before it again: nothing is remembered wrongly.
for at in "04-30T23:59:59 allow" "05-01T00:00:00 block" "05-31T23:59:59 block" "06-01T00:00:00 allow" \
    "05-10T12:00:00 block" "04-01T00:00:00 allow"; do
    printf '{"text":"seasonword","time":"2026-%sZ","expect":{"verdict":"%s"}}\n' "${at% *}" "${at#* }"
done >"$T/season.jsonl"
t 'an entry counts only in its time' exits 0 policy test "$T/strict.db" --cases "$T/season.jsonl"
printf 'seasonword\nplumbobword\n' >"$T/today.txt"
t 'and today for a scan' sh -c "'$PLUMBLINE' scan --json --policy '$T/strict.db' '$T/today.txt' |
    jq -es '[.[].findings[]?.rule] == [\"words.one\"]'"

t 'cases that hold end with 0' exits 0 policy test "$T/strict.db" --cases "$T/good.jsonl"
t 'a case that fails ends with 1' exits 1 policy test "$T/strict.db" --cases "$T/bad.jsonl"
t 'and says which and why' sh -c "'$PLUMBLINE' policy test '$T/strict.db' --cases '$T/bad.jsonl' |
    grep -qx 'calm: verdict allow instead of block'"
t 'JSON lines say the same' sh -c "'$PLUMBLINE' policy test '$T/strict.db' --cases '$T/bad.jsonl' --json |
    jq -es 'map(select(.ok|not)) | length == 2'"
t 'a broken line is named' sh -c "'$PLUMBLINE' policy test '$T/strict.db' --cases '$T/broken.jsonl' 2>&1 |
    grep -q 'broken.jsonl:2:'"
t 'an unknown surface is an error' sh -c "echo '{\"surface\":\"x\",\"text\":\"y\"}' >'$T/x.jsonl'
    '$PLUMBLINE' policy test '$T/strict.db' --cases '$T/x.jsonl' 2>&1 | grep -q 'unknown surface'"

t 'the same policy changes nothing' exits 0 policy replay "$T/strict.db" "$T/strict.db" "$T/good.jsonl"
t 'a milder one changes verdicts' exits 1 policy replay "$T/strict.db" "$T/mild.db" "$T/good.jsonl"
t 'exactly those' sh -c "'$PLUMBLINE' policy replay '$T/strict.db' '$T/mild.db' '$T/good.jsonl' --json |
    jq -es '[.[] | select(.changed) | .id] == [\"word\", \"blocks\"]'"

# Two events as the ledger's payloads hold them: one blocked request, one allowed exchange.
F='"findings":[{"rule":"words.one","category":"harm.fraud","severity":2,"action":"%s","count":1}]'
# shellcheck disable=SC2059 # formats on purpose
{
    printf "{\"v\":1,\"id\":\"e1\",\"policy_sha256\":\"x\",\"verdict\":\"block\",\"direction\":\"input\",\"input\":{$F},\"output\":{\"findings\":[]}}\n" block
    printf "{\"v\":1,\"id\":\"e2\",\"policy_sha256\":\"x\",\"verdict\":\"allow\",\"direction\":\"\",\"input\":{\"findings\":[]},\"output\":{$F}}\n" log
    printf '{"v":1,"id":"e3","policy_sha256":"x","verdict":"error","direction":"","input":{"findings":[]},"output":{"findings":[]}}\n'
} >"$T/events.jsonl"
t 'events: what their findings lead to is told' sh -c "'$PLUMBLINE' policy replay '$T/mild.db' '$T/strict.db' '$T/events.jsonl' --json |
    jq -es 'map(.now) == [\"block\", \"block\", \"error\"] and (map(.changed) == [false, true, false])'"
t 'events: an answer that was never made is undetermined' sh -c "'$PLUMBLINE' policy replay '$T/strict.db' '$T/mild.db' '$T/events.jsonl' --json |
    jq -es 'map(.now) == [\"undetermined\", \"allow\", \"error\"]'"
t 'and ends with 3 when nothing else would change' exits 3 policy replay "$T/strict.db" "$T/mild.db" "$T/events.jsonl"

# A guard model about answers: cases say what it would answer; an event says what it answered.
sed -e 's/^    input:/    second_opinion: {model: g, prompt: "{text}"}\n    input:/' -e '/^    output:/,/^    label:/s/action: block/action: second_opinion/' "$T/strict.yaml" >"$T/asks.yaml"
t 'a policy that asks about answers compiles' exits 0 policy compile "$T/asks.yaml" -o "$T/asks.db" --packs "$T/packs"
for said in safe:allow unsafe:block none:block; do
    printf '{"id":"%s","direction":"output","text":"plumbobword","second_opinion":"%s","expect":{"verdict":"%s"}}\n' "$said" "${said%:*}" "${said#*:}"
done >"$T/asked.jsonl"
t 'its word decides in cases' exits 0 policy test "$T/asks.db" --cases "$T/asked.jsonl"
# shellcheck disable=SC2059 # formats on purpose
for said in safe unsafe none; do
    printf "{\"v\":1,\"id\":\"$said\",\"policy_sha256\":\"x\",\"verdict\":\"allow\",\"direction\":\"\",\"second_opinion_output\":\"$said\",\"input\":{\"findings\":[]},\"output\":{$F}}\n" log
done >>"$T/events.jsonl"
t 'in a replay its word of then counts, and without one nobody can tell' sh -c "'$PLUMBLINE' policy replay '$T/strict.db' '$T/asks.db' '$T/events.jsonl' --json |
    jq -es 'map(.now) == [\"block\", \"undetermined\", \"error\", \"allow\", \"block\", \"block\"]'"
t_done
