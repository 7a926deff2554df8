#!/bin/sh
# Names and addresses as a user meets them.
PL_ROOT=${PL_ROOT:-$(cd "$(dirname "$0")/../../../.." && pwd)}
. "$PL_ROOT/tests/tap.sh"

PLUMBLINE=${PL_STAGE:-$ROOT/build/stage}/bin/plumbline
PACK=$ROOT/packs/names-default
export PLUMBLINE_LANG=en

# The command ends with this status; what it says is in $T/out and $T/err.
code() {
    code_want=$1
    shift
    exits "$code_want" "$@" >"$T/out" 2>"$T/err" || { cat "$T/out" "$T/err"; return 1; }
}

# found CATEGORY: what the findings of that category cover, one a line.
found() {
    jq -r --arg c "$1" '.findings[] | select(.category == $c) | "\(.start) \(.end)"' "$T/out" |
        while read -r start end; do
            tail -c "+$((start + 1))" "$T/text" | head -c "$((end - start))"
            echo
        done
}

finds_names_and_addresses_in_both_languages() {
    printf '我叫王小明，住在北京市朝阳区建国路88号3栋501室。\nDear Mr. John Smith, please ship it to 221 Baker Street.\n' >"$T/text"
    code 1 "$PLUMBLINE" scan "$T/text" --only names --json || return 1
    [ "$(found pii.name)" = "王小明
John Smith" ] || { cat "$T/out"; return 1; }
    [ "$(found pii.address)" = "北京市朝阳区建国路88号3栋501室
221 Baker Street" ] || { cat "$T/out"; return 1; }
    jq -e '.findings | all(.score >= 0.6 and .score <= 1)' "$T/out" >/dev/null
}

passes_over_ordinary_text() {
    printf '时间和方法都很重要，请高度重视安全管理，于明天上午开会。\nThe meeting is on Monday; bring 3 copies of the Annual Report.\n' >"$T/text"
    code 0 "$PLUMBLINE" scan "$T/text" --only names
}

policy() {
    cat <<EOF
policy: names
version: 1
packs: [lexicon-starter]
$1
routes:
  default:
    input: [{category: "*", action: log}]
    output: [{category: "*", action: log}]
    label: {explicit: false}
    answers: {default: {zh: 无, en: none}}
EOF
}

a_policy_says_whether_and_how_surely() {
    printf 'Dear John Smith, ship it to 221 Baker Street.\n' >"$T/text"
    policy 'detectors: [pii.email]' >"$T/policy.yaml"
    code 0 "$PLUMBLINE" scan "$T/text" --policy "$T/policy.yaml" --json || return 1
    policy 'detectors: [{category: pii.name, severity: 4}]' >"$T/policy.yaml"
    code 1 "$PLUMBLINE" scan "$T/text" --policy "$T/policy.yaml" --json || return 1
    jq -e '.findings | length == 1 and .[0].severity == 4 and .[0].rule == "detector.pii.name"' "$T/out" >/dev/null || return 1
    policy 'detectors: [{category: pii.name, confidence: 1}]' >"$T/policy.yaml"
    code 0 "$PLUMBLINE" scan "$T/text" --policy "$T/policy.yaml" --json || return 1
    policy 'detectors: [pii.name, pii.address]
names: {confidence: 1}' >"$T/policy.yaml"
    code 0 "$PLUMBLINE" scan "$T/text" --policy "$T/policy.yaml" --json
}

# rejected LINES WORDS: a policy with these lines is refused with these words.
rejected() {
    policy "$1" >"$T/policy.yaml"
    code 4 "$PLUMBLINE" policy compile "$T/policy.yaml" -o "$T/x.db" || return 1
    grep -q "$2" "$T/err" || { cat "$T/err"; return 1; }
}

a_policy_is_told_what_is_wrong() {
    rejected 'detectors: [{category: pii.email, confidence: 0.9}]' "policy.yaml:4:.*only pii.name and pii.address" || return 1
    rejected 'detectors: [{category: pii.name, confidence: 0.2}]' "policy.yaml:4:.*between 0.5 and 1" || return 1
    rejected 'detectors: [pii.name]
names: model-default' "policy.yaml:5:.*not of kind 'names'"
}

the_card_is_shown() {
    code 0 "$PLUMBLINE" model card names-default || return 1
    grep -q '^# names-default' "$T/out" || { head "$T/out"; return 1; }
    code 0 "$PLUMBLINE" model card names-default --lang zh-CN || return 1
    grep -q '人名与地址' "$T/out" || { head "$T/out"; return 1; }
    code 0 "$PLUMBLINE" model card names-default --json || return 1
    jq -e '.sets | all(.licence != "")' "$T/out" >/dev/null
}

# What is shipped belongs together, and nothing was learnt from share-alike data.
the_pack_belongs_together() {
    want=$(sha256sum <"$PACK/recipe.yaml")
    [ "$(jq -r .recipe_sha256 "$PACK/card.json")" = "${want%% *}" ] || return 1
    want=$(sha256sum <"$PACK/names.pln")
    [ "$(jq -r .sha256 "$PACK/card.json")" = "${want%% *}" ] || return 1
    [ "$(wc -c <"$PACK/names.pln")" -le 4194304 ] || return 1
    jq -e '[.sets[] | select(.licence | test("SA|NC")) | .learnt + .calibrated] | add == 0' "$PACK/card.json" >/dev/null
}

a_model_is_tested_on_files_of_known_names() {
    printf '{"text":"王小明先生，男，汉族。","spans":[{"type":"NAME","start":0,"end":3}]}\n{"text":"会议很重要。","spans":[]}\n' >"$T/resume-ner-zh.jsonl"
    code 0 "$PLUMBLINE" model test names-default "$T/resume-ner-zh.jsonl" --json || return 1
    jq -e '.results == [.results[0]] and (.results[0] | .set == "resume-ner" and .texts == 2 and .items == 1 and .f1 == 1)' "$T/out" >/dev/null ||
        { cat "$T/out"; return 1; }
    cp "$T/resume-ner-zh.jsonl" "$T/other.jsonl"
    code 3 "$PLUMBLINE" model test names-default "$T/other.jsonl" || return 1
    grep -q 'no set of the recipe' "$T/err"
}

the_pack_passes_the_linter() {
    code 0 "$PLUMBLINE" pack lint "$PACK"
}

training_needs_its_data() {
    code 4 "$PLUMBLINE" model train "$PACK/recipe.yaml" --data "$T" -o "$T/model" || return 1
    grep -q 'resume-ner-zh.jsonl' "$T/err" || { cat "$T/err"; return 1; }
    code 2 "$PLUMBLINE" model train "$PACK/recipe.yaml"
}

t 'finds names and addresses in both languages' finds_names_and_addresses_in_both_languages
t 'passes over ordinary text' passes_over_ordinary_text
t 'a policy says whether and how surely' a_policy_says_whether_and_how_surely
t 'a policy is told what is wrong' a_policy_is_told_what_is_wrong
t 'the card is shown' the_card_is_shown
t 'the pack belongs together' the_pack_belongs_together
t 'training needs its data' training_needs_its_data
t 'a model is tested on files of known names' a_model_is_tested_on_files_of_known_names
t 'the pack passes the linter' the_pack_passes_the_linter
t_done
