#!/bin/sh
# A filing walked by the command line: two people by their tokens, then two installations by packages.
PL_ROOT=${PL_ROOT:-$(cd "$(dirname "$0")/../../../.." && pwd)}
. "$PL_ROOT/tests/tap.sh"

BIN=${PL_STAGE:-$ROOT/build/stage}/bin
PLUMBLINE=$BIN/plumbline
unset PLUMBLINE_DIR PLUMBLINE_API_TOKEN
export PLUMBLINE_LANG=en
D=$T/d
cat >"$T/values.yaml" <<'YAML'
subject: {name: 示例智能有限公司, nature: enterprise, credential_type: uscc, uscc: 91350100M000100Y43, region: "990001", registered_address: 示例路, office_address: 示例路, legal_name: 张三, legal_id_type: other, legal_id: DEMO-1, responsible_name: 李四, responsible_post: 总监, responsible_phone: 010-0000, responsible_email: li@demo.example}
algorithm: {name: 示例对话算法, type: generation, role: provider, online_date: "2026-03-02", field: 客服, principle: p, mechanism: m, scenario: s, purpose: p, uses_biometrics: false, uses_identity: false, data_source: d, risks: r}
product: {name: 示例助手, form: app, address: "https://demo.example", access_path: 首页, audience: 公众, purpose: 问答}
YAML
printf '%%PDF-1.4 demo' >"$T/paper.pdf"
filing() { "$PLUMBLINE" filing "$@" --dir "$D"; }
state() { "$PLUMBLINE" filing show "$1" --dir "${2:-$D}" --json | jq -r .state; }
is() {
    want=$1
    shift
    got=$("$@")
    [ "$got" = "$want" ] || {
        printf 'wanted "%s", got "%s"\n' "$want" "$got"
        return 1
    }
}
"$PLUMBLINE" init --dir "$D" >"$T/init" 2>&1

t 'the workflows that ship are listed' says 'cn-algorithm ' filing workflows
t 'Chinese is spoken' says '互联网信息服务算法备案' filing workflows --lang zh-CN
t 'a workflow that is not there is bad input' exits 4 filing new no-such
t 'a filing that is not there is not found' exits 4 filing show 01jdkq2v6n0000000000000001
t 'a filing begins' sh -c "'$PLUMBLINE' filing new cn-algorithm --dir '$D' --json | jq -r .id >'$T/id'"
ID=$(cat "$T/id")
t 'it says what is missing, with exit status 1' exits 1 filing check "$ID"
t 'missing fields are named in Chinese' says '主体名称：必须填写' filing check "$ID" --lang zh-CN
t 'it cannot be submitted yet' exits 4 filing submit "$ID"
t 'an unknown field is refused' sh -c "echo 'subject: {nmae: x}' >'$T/bad.yaml'; ! '$PLUMBLINE' filing set '$ID' '$T/bad.yaml' --dir '$D'"
t 'values are filled in' filing set "$ID" "$T/values.yaml"
t 'now the values are in order' filing check "$ID"
for slot in credential employment commitment responsibility; do
    t "attachment $slot" filing attach "$ID" $slot "$T/paper.pdf"
done
t 'a file of another type is refused' exits 4 filing attach "$ID" commitment "$T/values.yaml"
t 'the subject is submitted' filing submit "$ID"
t 'four eyes: the same person does not review' exits 5 filing review "$ID" --decision approved
t 'the state has not changed' is subject_review state "$ID"

t 'a decision must be one of three' exits 2 filing review "$ID" --decision maybe

# The other side: an installation of the regulator.
R=$T/r
"$PLUMBLINE" init --dir "$R" >"$T/init" 2>&1
t 'a package goes out' filing export "$ID" -o "$T/out.tar" --to Regulator --reason filing
t 'it is an evidence package that holds' "$PLUMBLINE" evidence verify "$T/out.tar" --key "$D/ledger/vkey"
t 'a stranger is refused' exits 5 "$PLUMBLINE" filing import "$T/out.tar" --dir "$R"
t 'the provider becomes a peer' "$PLUMBLINE" filing peer Provider "$D/ledger/vkey" --role provider --dir "$R"
t 'the regulator becomes a peer' "$PLUMBLINE" filing peer Regulator "$R/ledger/vkey" --role regulator --dir "$D"
t 'the package is taken' "$PLUMBLINE" filing import "$T/out.tar" --dir "$R"
t 'and not twice' exits 5 "$PLUMBLINE" filing import "$T/out.tar" --dir "$R"
t 'it stands there as it was sent' is subject_review state "$ID" "$R"
rstep() { "$PLUMBLINE" filing "$@" --dir "$R"; }
t 'the subject is accepted' rstep review "$ID" --decision approved
answer() { "$PLUMBLINE" filing export "$ID" -o "$T/$1.tar" --to Provider --reason answer --dir "$R" && filing import "$T/$1.tar"; }
t 'the answer comes back' answer a1
t 'and counts' is algorithm_draft state "$ID"
t 'attachment self_assessment' filing attach "$ID" self_assessment "$T/paper.pdf"
t 'attachment public_text' filing attach "$ID" public_text "$T/paper.pdf"
t 'the filing is submitted' filing submit "$ID"
send() { filing export "$ID" -o "$T/$1.tar" --to Regulator --reason filing && "$PLUMBLINE" filing import "$T/$1.tar" --dir "$R"; }
t 'it goes out' send o2
t 'an old package is refused' exits 5 "$PLUMBLINE" filing import "$T/out.tar" --dir "$R"
t 'it is accepted and numbered' says '网信算备990001000000101' rstep review "$ID" --decision approved
t 'it is published' rstep publish "$ID"
t 'the public finds it by one character' says '示例对话算法' rstep search 话 --public
t 'nobody finds what is not there' says '0 filings' rstep search 龘 --public
t 'statistics count it' says '990001' rstep statistics --public
t 'the number comes back' answer a2
t 'and stands at the provider' says '网信算备990001' filing show "$ID"
t 'a change begins' filing change "$ID" --note 'renamed'
t 'both ledgers are sound' sh -c "'$PLUMBLINE' ledger verify --dir '$D' && '$PLUMBLINE' ledger verify --dir '$R'"

cat >"$T/org.yaml" <<'YAML'
{name: 示例智能有限公司, country: CN}
YAML
registry() { "$PLUMBLINE" registry "$@" --dir "$D"; }
t 'a record is added' sh -c "'$PLUMBLINE' registry add organisation '$T/org.yaml' --dir '$D' --json | jq -r .id >'$T/rid'"
RID=$(cat "$T/rid")
t 'and changed' registry change "$RID" "$T/org.yaml" --note 'looked through'
t 'a file is attached to it' registry attach "$RID" licence "$T/paper.pdf"
t 'the same file not twice' exits 5 registry attach "$RID" licence "$T/paper.pdf"
t 'and it is told with the record' sh -c "'$PLUMBLINE' registry show '$RID' --dir '$D' --json | jq -e '.files[0].slot == \"licence\" and .files[0].size == 13'"
t 'its history has both versions' sh -c "[ \$('$PLUMBLINE' registry history '$RID' --dir '$D' | wc -l) = 2 ]"
t 'a change on an old version is refused' exits 5 registry change "$RID" "$T/org.yaml" --version 1
# A country nobody here has heard of: a folder, and no line of C.
X=$D/packs/zz-permit
mkdir -p "$X/workflows" "$X/forms"
printf 'x\n' >"$X/README.md"
cat >"$X/pack.yaml" <<'YAML'
{id: zz-permit, version: "1.0.0", kind: workflows, jurisdiction: ZZ, legal_weight: law, in_force: {from: "2026-01-01"}, title: {zh: 许可, en: Permit}, licence: Apache-2.0, sources: [{id: s, title: S, evidence: P, date: "2026-01-01"}]}
YAML
cat >"$X/forms/ask.yaml" <<'YAML'
{id: ask, title: {zh: 申请, en: Application}, fields: [{key: name, type: text, zh: 名称, en: Name, required: true, public: true}]}
YAML
cat >"$X/workflows/permit.yaml" <<'YAML'
id: zz-permit
title: {zh: 许可, en: Permit}
jurisdiction: ZZ
kind: product
forms: [ask]
title_field: ask.name
initial: draft
states: [{id: draft, zh: 草稿, en: Draft, edit: [provider]}, {id: done, zh: 已许可, en: Permitted, public: true, final: true}]
numbers: [{id: n, template: "ZZ-{year:4}-{serial:2}", tag: P, parts: {year: {date: YYYY}, serial: {counter: "zz:{year}"}}}]
steps: [{id: grant, zh: 许可, en: Grant, from: [draft], to: done, roles: [regulator], action: published, forms: [ask], number: n, publishes: true}]
YAML
t 'a pack for an invented country is sound' "$PLUMBLINE" pack lint "$X"
t 'its workflow is there at once' says 'zz-permit' filing workflows
t 'a filing begins under it' sh -c "printf 'ask: {name: 某物}\\n' >'$T/z.yaml'; '$PLUMBLINE' filing new zz-permit --values '$T/z.yaml' --dir '$D' --json | jq -r .id >'$T/zid'"
t 'and gets its number' says 'ZZ-20' filing step "$(cat "$T/zid")" grant
sed -i 's/to: done/to: nowhere/' "$X/workflows/permit.yaml"
t 'a broken pack is left out and named, the others stay' sh -c "'$PLUMBLINE' filing workflows --dir '$D' 2>&1 | grep -q \"'to' names no state\" && '$PLUMBLINE' filing workflows --dir '$D' | grep -q cn-algorithm"
rm -r "$X"

cat >"$T/bom.json" <<'JSON'
{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"type":"machine-learning-model","name":"demo-7b","version":"2","modelCard":{"modelParameters":{"datasets":[{"type":"dataset","name":"demo-corpus"}]}}}]}
JSON
t 'a bill of materials gives a model and its data' sh -c "[ \$('$PLUMBLINE' registry import '$T/bom.json' --dir '$D' | wc -l) = 2 ]"
t 'the model names its data' sh -c "'$PLUMBLINE' registry list --kind model --dir '$D' --json | jq -r '.records[0].id' >'$T/mid'; '$PLUMBLINE' registry show \"\$(cat '$T/mid')\" --dir '$D' --json | jq -e '.related[0].title == \"demo-corpus\"'"
t 'it goes out as a bill of materials' sh -c "'$PLUMBLINE' registry export --format cyclonedx --dir '$D' | jq -e '([.components[].name] | sort) == [\"demo-7b\",\"demo-corpus\"]'"
printf 'name,country\nA,CN\nB,Nowhere\n' >"$T/o.csv"
t 'a table with one bad row adds none' sh -c "! '$PLUMBLINE' registry import '$T/o.csv' --kind organisation --dir '$D' && [ \$('$PLUMBLINE' registry list --kind organisation --dir '$D' | wc -l) = 1 ]"
t 'models go out as a workbook' "$PLUMBLINE" registry export --kind model --format xlsx -o "$T/m.xlsx" --dir "$D"
t 'it is one that others read' sh -c "python3 -m zipfile -e '$T/m.xlsx' '$T/m' && grep -q demo-7b '$T/m/xl/sharedStrings.xml'"
t 'and comes back' sh -c "'$PLUMBLINE' registry import '$T/m.xlsx' --kind model --dir '$D' --json | jq -e '.ids | length == 1'"
t 'with every value' sh -c "[ \$('$PLUMBLINE' registry list --kind model --dir '$D' | grep -c demo-7b) = 2 ]"
t 'without a kind it is refused' exits 4 registry import "$T/m.xlsx"
t 'it is listed' says '示例智能' registry list --kind organisation
t_done
