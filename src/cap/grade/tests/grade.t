#!/bin/sh
# `plumbline grade` and `plumbline pack test` as a compliance engineer and as a script would use them.
PL_ROOT=${PL_ROOT:-$(cd "$(dirname "$0")/../../../.." && pwd)}
. "$PL_ROOT/tests/tap.sh"

PATH=${PL_STAGE:-$ROOT/build/stage}/bin:$PATH
export PATH PLUMBLINE_LANG=en PLUMBLINE_DATADIR="$ROOT"
cd "$T" || exit 1

# json FACTS FILTER option…: what jq makes of the result.
json() {
    printf '%s' "$1" >facts.json
    filter=$2
    shift 2
    plumbline grade facts.json --json "$@" | jq -e "$filter" >/dev/null
}
every_pack_passes() {
    n=0
    for rules in "$ROOT"/packs/*/rules.yaml; do
        dir=${rules%/rules.yaml}
        [ -e "$dir/cases.yaml" ] || { echo "$dir has no cases"; return 1; }
        plumbline pack lint "$dir" --json | jq -e '.ok and (.problems == [])' >lint.out || { plumbline pack lint "$dir"; return 1; }
        plumbline pack test "$dir" || return 1
        n=$((n + 1))
    done
    [ "$n" -ge 6 ]
}
large='{"us.frontier_ops": 2e26, "org.revenue_usd": 600000000}'
ask_settles() {
    printf '3e26\n5e8\n' | plumbline grade --ask --pack us-ny-raise --save saved.json >out 2>err &&
        grep -q 'frontier: FRONTIER' out && jq -e '."us.frontier_ops" == "3e26"' saved.json >/dev/null
}
ask_takes_no_answer() {
    got=0
    printf '\nnonsense\n' | plumbline grade --ask --pack us-ny-raise >out 2>err || got=$?
    [ "$got" = 3 ] && grep -q 'must be a number' err
}
jurisdictions_choose() {
    json '{"jurisdictions": ["US-NY"], "us.frontier_ops": 1}' \
        '[.results[].pack] | index("us-ny-raise@2026-03-27") and (index("us-ca-sb53@2025-09-29") | not)' --as-of 2026-11-22
}
version_of_the_day() {
    json '{"us.co_domain": "none"}' '.results[0].pack == "us-co-sb24-205@repealed" and .results[0].evaluated' \
        --pack us-co-sb24-205 --as-of 2025-01-01 &&
        json '{"us.co_domain": "none"}' '.results[0].evaluated == false' --pack us-co-sb24-205 --as-of 2026-11-22
}
diff_means_something() {
    printf '{"us.co_domain": "legal", "us.co_materially_influences": true, "us.co_personal_data": true, "role": ["deployer"]}' >f.json
    plumbline grade --diff us-co-sb24-205 us-co-sb26-189 f.json --json |
        jq -e '(.systems[0].changes[0].changes[] | select(.key == "grade")) | .from == "HIGH_RISK" and .to == "NONE"' >/dev/null
}
wrong() { # CODE TEXT FACTS option…
    printf '%s' "$3" >wrong.json
    code=$1 text=$2
    shift 3
    exits "$code" plumbline grade wrong.json "$@" >out 2>&1 && grep -qF "$text" out || { cat out; return 1; }
}
same_facts_same_result() {
    printf '%s' "$large" >facts.json
    plumbline grade facts.json --pack us-ca-sb53 --as-of 2026-11-22 --json >one &&
        plumbline grade facts.json --pack us-ca-sb53 --as-of 2026-11-22 --json >two && cmp one two
}
ring() {
    for p in one two; do
        mkdir -p "ring/$p"
        cp "$ROOT/packs/us-co-sb26-189@2026-05-14/"*.yaml "ring/$p/"
    done
    sed -i 's/^id: .*/id: one/; s/^depends: .*/depends: [facts-core, two]/' ring/one/pack.yaml
    sed -i 's/^id: .*/id: two/; s/^depends: .*/depends: [facts-core, one]/' ring/two/pack.yaml
    says 'in a circle: one → two → one' plumbline pack lint ring/one
}

# docs/extending/law.md: every file of the page as it stands, then every command.
invented_country() {
    mkdir -p country && cd country || return 1
    awk '/^`.*\.yaml`:$|`freedonia-ai@.*\.yaml`:$/ { n = split($0, p, "`"); file = p[n - 1]; sub(/^.*freedonia/, "freedonia", file); next }
         /^```yaml$/ { on = 1; next } /^```/ { on = 0; sh = 0 } on { d = file; sub("/[^/]*$", "", d); system("mkdir -p " d); print > file }
         ' "$ROOT/docs/extending/law.md"
    awk '/^```sh$/ { on = 1; next } /^```/ { on = 0 } on' "$ROOT/docs/extending/law.md" >commands
    [ "$(find . -name '*.yaml' | wc -l)" = 5 ] && [ "$(wc -l <commands)" = 4 ] || { find .; return 1; }
    sh -e commands && plumbline pack lint ./freedonia-ai@2026-01-01 --json | jq -e '.problems | map(select(.file != "README.md")) == []'
}

t 'every pack of law is without a problem and passes its cases' every_pack_passes
t 'a settled grade ends with 0' exits 0 sh -c "echo '$large' | plumbline grade - --pack us-ca-sb53"
t 'an open grade ends with 3' exits 3 sh -c "echo '{}' | plumbline grade - --pack us-ca-sb53"
t 'a value that is asked about ends with 1' \
    exits 1 sh -c "echo '$large' | plumbline grade - --pack us-ca-sb53 --fail-on LARGE_FRONTIER"
t 'a result says what the contract wants' json "$large" \
    '.as_of == "2026-11-22" and (.results[0] | .pack == "us-ca-sb53@2025-09-29" and .frontier == "LARGE_FRONTIER" and .legal_weight == "binding" and (.basis | length) > 0 and (.obligations | all(.status == "in_force" and (.cite | length) > 0)) and (.trace | map(.rule_id) | index("large")) and .evaluated)' \
    --pack us-ca-sb53 --as-of 2026-11-22
t '--as-of outranks the fact' json '{"as_of": "2026-01-01", "us.frontier_ops": 1}' '.as_of == "2026-02-02"' \
    --pack us-ca-sb53 --as-of 2026-02-02
t 'the fact as_of outranks today' json '{"as_of": "2026-01-01", "us.frontier_ops": 1}' '.as_of == "2026-01-01"' --pack us-ca-sb53
t 'jurisdictions choose the packs' jurisdictions_choose
t 'a fact of another pack is no error' json '{"us.frontier_ops": 1, "kz.harm": [1]}' '.results | length == 1' --pack us-ca-sb53
t 'the version of the day is taken, and a repealed one is not evaluated' version_of_the_day
t 'an interview settles it' ask_settles
t 'an interview takes no answer for an answer, and asks again' ask_takes_no_answer
t 'what-if shows the change' says 'frontier: LARGE_FRONTIER → FRONTIER' \
    sh -c "echo '$large' | plumbline grade - --pack us-ca-sb53 --what-if 'org.revenue_usd=5e8'"
t 'a change of law shows what it means' diff_means_something
t 'reasons are explained' says 'us.frontier_ops = ' sh -c "echo '$large' | plumbline grade - --pack us-ca-sb53 --explain"
t 'in Chinese as well' says '义务：' sh -c "echo '$large' | plumbline grade - --pack us-ca-sb53 --lang zh-CN"
t 'an unknown fact' wrong 4 "did you mean 'us.frontier_ops'?" '{"us.frontier_op": 1}' --pack us-ca-sb53
t 'a wrong unit' wrong 4 "is in FLOP, not in 'EUR'" '{"us.frontier_ops": "1e26 EUR"}' --pack us-ca-sb53
t 'a contradiction' wrong 4 'contradict each other' '{"sys.military_only": true, "sys.personal_use": true}' --pack us-ca-sb53
t 'a day that is none' wrong 4 'not a date' '{}' --pack us-ca-sb53 --as-of 2026-02-30
t 'no such pack' wrong 4 'no pack of law' '{}' --pack eu-nothing
t 'no place and no pack' wrong 4 'jurisdictions' '{}'
t 'facts that are no object' wrong 4 'one flat JSON object' '[1]' --pack us-ca-sb53
t 'no facts at all is wrong usage' exits 2 plumbline grade
recorded() {
    printf '%s' "$large" >facts.json
    env -u PLUMBLINE_DATADIR plumbline init --dir inst >init.out 2>&1 || { cat init.out; return 1; }
    plumbline grade facts.json --pack us-ca-sb53 --as-of 2026-11-22 --record --subject model:x --dir inst --json >r.json || { cat r.json; return 1; }
    plumbline ledger export --dir inst >entries || return 1
    grep '"predicateType":"[^"]*/grade/v1"' entries | grep -q '"frontier":"LARGE_FRONTIER"' && ! grep -q 600000000 entries &&
        jq -e '.results[0].ledger_index >= 0' r.json >/dev/null && plumbline ledger verify --dir inst >verify.out
}
t 'a grade is recorded without its facts, and the ledger verifies' recorded
registered() {
    echo '{name: Demo, country: CN}' >org.yaml
    org=$(env -u PLUMBLINE_DATADIR plumbline registry add organisation org.yaml --dir inst --json | jq -r .id) || return 1
    for facts in '{"us.co_domain": "legal", "us.co_materially_influences": true, "us.co_personal_data": true}' '{"us.co_domian": "legal"}' ''; do
        printf 'name: Demo\norganisation: %s\n' "$org" >service.yaml
        [ -z "$facts" ] || printf 'grading_facts: |\n  %s\n' "$facts" >>service.yaml
        env -u PLUMBLINE_DATADIR plumbline registry add service service.yaml --dir inst >add.out 2>&1 || { cat add.out; return 1; }
    done
    exits 4 plumbline grade --registered --pack us-co-sb26-189 --dir inst --json >all.json || return 1
    jq -e '(.systems | length) == 2 and .without_facts == 1
        and ([.systems[].results[0].grade? // empty] == ["NONE"])
        and (.systems[0].error | contains("did you mean"))' all.json
}
registered_diff() {
    exits 4 plumbline grade --diff us-co-sb24-205 us-co-sb26-189 --registered --dir inst --json >diff.json &&
        jq -e '[.systems[] | select(.changes) | .changes[0].changes[] | select(.key == "grade") | .from + ">" + .to] == ["HIGH_RISK>NONE"]' diff.json
}
t 'every registered system is graded; one with wrong facts does not stop the others' registered
t 'what a change of law means for every registered system' registered_diff
t 'facts come from files or from the registry' exits 2 plumbline grade facts.json --registered
t 'recording needs an instance' exits 4 plumbline grade facts.json --pack us-ca-sb53 --record --subject model:x --dir nowhere
t 'recording needs a subject' exits 2 plumbline grade facts.json --pack us-ca-sb53 --record
t 'packs in a circle' ring
t 'a country is added by the page that says how' invented_country
t 'the same facts give the same bytes' same_facts_same_result
t_done
