#!/bin/sh
# Documents by the command line, opened by programs that are not ours.
PL_ROOT=${PL_ROOT:-$(cd "$(dirname "$0")/../../../.." && pwd)}
. "$PL_ROOT/tests/tap.sh"

BIN=${PL_STAGE:-$ROOT/build/stage}/bin
PLUMBLINE=$BIN/plumbline
unset PLUMBLINE_DIR PLUMBLINE_API_TOKEN
export PLUMBLINE_LANG=en
D=$T/d
"$PLUMBLINE" init --dir "$D" >"$T/init" 2>&1
printf '{name: 示例模型, licence: Apache-2.0, parameters: 7000000000}\n' >"$T/m.yaml"
ID=$("$PLUMBLINE" registry add model "$T/m.yaml" --dir "$D" --json | jq -r .id)
make() { "$PLUMBLINE" disclosure make "$@" --dir "$D"; }

t 'the documents are listed' says 'model-card' "$PLUMBLINE" disclosure list --dir "$D"
t 'Markdown is written' says '7,000,000,000' make model-card "$ID"
t 'in Chinese' says '参数量' make model-card "$ID" --lang zh-CN
t 'HTML is written' make model-card "$ID" -o "$T/m.html" --lang zh-CN
t 'it is well-formed where XML would be' sh -c "grep -q '<html lang=\"zh-CN\">' '$T/m.html' && ! grep -qi '<script' '$T/m.html'"
t 'DOCX is written' make model-card "$ID" -o "$T/m.docx"
t 'and is a zip of well-formed XML' python3 -c "
import zipfile, xml.dom.minidom, sys
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
for n in z.namelist(): xml.dom.minidom.parseString(z.read(n))
assert '示例模型' in z.read('word/document.xml').decode()" "$T/m.docx"
t 'PDF is written' make model-card "$ID" -o "$T/m.pdf" --lang zh-CN
t 'and begins and ends as one' sh -c "head -c 5 '$T/m.pdf' | grep -q '%PDF-' && tail -c 7 '$T/m.pdf' | grep -q EOF"
t 'the tree is there as JSON' sh -c "'$PLUMBLINE' disclosure make model-card '$ID' --dir '$D' --json | jq -e '.missing > 0 and .subject.version == 1'"
t 'a document of another kind is refused' exits 4 make data-dictionary "$ID"
t 'a document that is not there is not found' exits 4 make nothing "$ID"
printf '{name: 示例模型, licence: MIT, parameters: 7000000000}\n' >"$T/m2.yaml"
"$PLUMBLINE" registry change "$ID" "$T/m2.yaml" --dir "$D" >"$T/out"
t 'what changed is told, with exit status 1' exits 1 "$PLUMBLINE" disclosure diff model-card "$ID" 1 2 --dir "$D"
t 'with the values before and after' sh -c "'$PLUMBLINE' disclosure diff model-card '$ID' 1 2 --dir '$D' --json | jq -e '.changes == [{section: \"The model\", label: \"Licence\", before: \"Apache-2.0\", after: \"MIT\"}]'"
t 'nothing changed between a version and itself' exits 0 "$PLUMBLINE" disclosure diff model-card "$ID" 2 2 --dir "$D"
t_done
