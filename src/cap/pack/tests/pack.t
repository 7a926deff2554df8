#!/bin/sh
# Packs on the command line, and the commands of docs/extending/wordlist.md as they stand there.
PL_ROOT=${PL_ROOT:-$(cd "$(dirname "$0")/../../../.." && pwd)}
. "$PL_ROOT/tests/tap.sh"

PATH=${PL_STAGE:-$ROOT/build/stage}/bin:$PATH
export PATH PLUMBLINE_LANG=en PLUMBLINE_DATADIR="$ROOT"
cd "$T" || exit 1
printf 'what my-words lists,\nWhat  my-words LISTS\n词语\n' >words.txt
printf 'n,词,类别\n1,first word,harm.fraud\n2,second word,harm.drugs\n' >table.csv
cat >policy.yaml <<'YAML'
policy: own
version: 1
packs: [my-words]
routes:
  default:
    input: [{category: "my-words.*", action: block}]
    output: [{category: "my-words.*", action: block}]
    label: {explicit: false}
    answers: {default: {zh: 不, en: "no"}}
YAML

# Every command of the page, in order; a finding of `policy test` is what the page wants to show.
page_runs() {
    grep -E '^    (plumbline|echo) ' "$ROOT/docs/extending/wordlist.md" >commands
    [ "$(wc -l <commands)" -ge 6 ] || { echo 'the page was not understood'; return 1; }
    while IFS= read -r line; do
        echo "\$ $line"
        want=0
        case $line in *'policy test'*) want=1 ;; esac
        exits $want sh -c "$line" || return 1
    done <commands
}

import_tells() {
    says '2 entries from 3 lines (UTF-8, lines)' plumbline pack import words.txt --as told --to here &&
        says 'line 2: repeated' plumbline pack import words.txt --as told2 --to here &&
        says '2 条词条，来自 3 行' plumbline pack import words.txt --as told3 --to here --lang zh-CN
}

import_json() {
    plumbline pack import words.txt --as j --to here --json |
        jq -e '.entries == 2 and .skipped.repeated == 1 and .lines == 3' >/dev/null
}

table_keeps_categories() {
    plumbline pack show plumbline-data/packs/my-table --json |
        jq -e '.entries == {"harm.drugs": {"en": 1}, "harm.fraud": {"en": 1}}' >/dev/null
}

fills_a_slot() {
    plumbline pack import words.txt --as slot --to here --risk A.1-a >/dev/null &&
        plumbline pack lint here/slot lexicon-cn-a1-slots --minimums cn-keyword-minimums \
            --fail-on none --json | tail -1 |
        jq -e '.by_class == {"A.1-a": 2} and .total == 2 and .ok' >/dev/null
}

count_json() {
    plumbline pack lint lexicon-cn-a1-slots --minimums cn-keyword-minimums --json | tail -1 |
        jq -e '(.ok | not) and (.checks | length) == 20 and (.checks | all(.met | not))' >/dev/null
}

t 'every command of the page on word lists runs' page_runs
t 'a column of categories is kept' table_keeps_categories
t 'an import tells what it took and what it skipped' import_tells
t 'an import tells the same in JSON' import_json
t 'an import does not touch what is there' exits 5 plumbline pack import words.txt --as j --to here
t 'an import wants a name' exits 2 plumbline pack import words.txt
t 'an import of no file fails' exits 4 plumbline pack import nothing.txt --as n --to here
t 'an imported list fills a slot' fills_a_slot
t 'required minimums that are not met are a finding' \
    exits 1 plumbline pack lint lexicon-cn-a1-slots --minimums cn-keyword-minimums
t 'unless nobody asks' \
    exits 0 plumbline pack lint lexicon-cn-a1-slots --minimums cn-keyword-minimums --fail-on none
t 'the count says the same in JSON' count_json
t 'the day of the count matters' says '30 <= 7' \
    plumbline pack lint lexicon-starter --minimums cn-keyword-minimums --as-of 2026-12-26
t 'a word that is none is wrong usage' exits 2 plumbline pack lint lexicon-starter \
    --minimums cn-keyword-minimums --fail-on maybe
t_done
