// tlogverify checks what Plumbline publishes with another implementation: the tree, tile and
// note code of golang.org/x/mod/sumdb and the Ed25519 of Go's standard library. It shares
// nothing with the C code but the specifications.
//
//	tlogverify log DIR VKEY [WITNESS-VKEY]...      every entry, tile and signature of a log
//	tlogverify proof FILE ENTRY VKEY [WITNESS-VKEY]...   a C2SP tlog-proof of the entry's bytes
//	tlogverify consistency OLD NEW VKEY HASH...    two checkpoint files and a proof in hex
//
// Exit status: 0 it holds, 1 it does not, 2 usage.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const tileHeight = 8

// --- notes -------------------------------------------------------------------------------

// cosigner verifies lines of type 0x04, which the note package does not know.
type cosigner struct {
	name string
	id   uint32
	key  ed25519.PublicKey
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.id }

func (c cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	at := binary.BigEndian.Uint64(sig[:8])
	text := append([]byte(fmt.Sprintf("cosignature/v1\ntime %d\n", at)), msg...)
	return at < 1<<63 && ed25519.Verify(c.key, text, sig[8:])
}

func newCosigner(vkey string) (note.Verifier, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("malformed witness key")
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 33 || key[0] != 4 {
		return nil, errors.New("not a witness key")
	}
	h := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	id := binary.BigEndian.Uint32(h[:4])
	if fmt.Sprintf("%08x", id) != parts[1] {
		return nil, errors.New("key id does not belong to the witness key")
	}
	return cosigner{parts[0], id, ed25519.PublicKey(key[1:])}, nil
}

func logKey(vkey string) ed25519.PublicKey {
	raw, _ := base64.StdEncoding.DecodeString(strings.SplitN(vkey, "+", 3)[2])
	return ed25519.PublicKey(raw[1:])
}

// openCheckpoint wants a line of the log and one of every witness named.
func openCheckpoint(text []byte, vkeys []string) (tlog.Tree, error) {
	var tree tlog.Tree
	verifiers := make([]note.Verifier, 0, len(vkeys))
	for i, k := range vkeys {
		v, err := note.NewVerifier(k)
		if i > 0 {
			v, err = newCosigner(k)
		}
		if err != nil {
			return tree, err
		}
		verifiers = append(verifiers, v)
	}
	n, err := note.Open(text, note.VerifierList(verifiers...))
	if err != nil {
		return tree, err
	}
	if len(n.Sigs) != len(verifiers) {
		return tree, fmt.Errorf("%d known signatures instead of %d", len(n.Sigs), len(verifiers))
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) < 4 || lines[0] != verifiers[0].Name() {
		return tree, errors.New("not a checkpoint of this origin")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || strconv.FormatInt(size, 10) != lines[1] {
		return tree, errors.New("malformed size")
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tree, errors.New("malformed root")
	}
	tree.N = size
	copy(tree.Hash[:], root)
	return tree, nil
}

// --- DSSE --------------------------------------------------------------------------------

func checkEnvelope(entry []byte, key ed25519.PublicKey) error {
	var e struct {
		Payload     string `json:"payload"`
		PayloadType string `json:"payloadType"`
		Signatures  []struct {
			Sig string `json:"sig"`
		} `json:"signatures"`
	}
	if err := json.Unmarshal(entry, &e); err != nil {
		return err
	}
	payload, err := base64.StdEncoding.DecodeString(e.Payload)
	if err != nil {
		return err
	}
	pae := fmt.Sprintf("DSSEv1 %d %s %d %s", len(e.PayloadType), e.PayloadType, len(payload), payload)
	for _, s := range e.Signatures {
		sig, err := base64.StdEncoding.DecodeString(s.Sig)
		if err == nil && len(sig) == ed25519.SignatureSize && ed25519.Verify(key, []byte(pae), sig) {
			return checkStatement(payload)
		}
	}
	return errors.New("no signature of the envelope verifies")
}

func checkStatement(payload []byte) error {
	var s struct {
		Type          string                   `json:"_type"`
		Subject       []map[string]interface{} `json:"subject"`
		PredicateType string                   `json:"predicateType"`
	}
	if err := json.Unmarshal(payload, &s); err != nil {
		return err
	}
	if s.Type != "https://in-toto.io/Statement/v1" || len(s.Subject) == 0 || s.PredicateType == "" {
		return errors.New("not an in-toto statement")
	}
	return nil
}

// --- a log on disk -------------------------------------------------------------------------

func tilePath(level string, n int64, width int) string {
	p := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		p = fmt.Sprintf("x%03d/%s", n%1000, p)
	}
	p = "tile/" + level + "/" + p
	if width < 1<<tileHeight {
		p += fmt.Sprintf(".p/%d", width)
	}
	return p
}

func width(size int64, level int, n int64) int {
	have := size >> uint(tileHeight*level)
	if n < have>>tileHeight {
		return 1 << tileHeight
	}
	return int(have - n<<tileHeight)
}

func readEntries(dir string, size int64) ([][]byte, error) {
	var all [][]byte
	for n := int64(0); n<<tileHeight < size; n++ {
		w := width(size, 0, n)
		b, err := os.ReadFile(filepath.Join(dir, tilePath("entries", n, w)))
		if err != nil {
			return nil, err
		}
		for i := 0; i < w; i++ {
			if len(b) < 2 || len(b) < 2+int(binary.BigEndian.Uint16(b)) {
				return nil, fmt.Errorf("bundle %d ends early", n)
			}
			end := 2 + int(binary.BigEndian.Uint16(b))
			all = append(all, b[2:end])
			b = b[end:]
		}
		if len(b) > 0 {
			return nil, fmt.Errorf("bundle %d has bytes left over", n)
		}
	}
	return all, nil
}

func buildTree(entries [][]byte) ([]tlog.Hash, error) {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			out[i] = stored[x]
		}
		return out, nil
	})
	for i, e := range entries {
		more, err := tlog.StoredHashes(int64(i), e, reader)
		if err != nil {
			return nil, err
		}
		stored = append(stored, more...)
	}
	return stored, nil
}

func checkTiles(dir string, size int64, reader tlog.HashReader) error {
	for level := 0; size>>uint(tileHeight*level) > 0; level++ {
		for n := int64(0); n<<tileHeight < size>>uint(tileHeight*level); n++ {
			w := width(size, level, n)
			path := tilePath(strconv.Itoa(level), n, w)
			got, err := os.ReadFile(filepath.Join(dir, path))
			if err != nil {
				return err
			}
			want, err := tlog.ReadTileData(tlog.Tile{H: tileHeight, L: level, N: n, W: w}, reader)
			if err != nil {
				return err
			}
			if !bytes.Equal(got, want) {
				return fmt.Errorf("%s is not what the entries make it", path)
			}
		}
	}
	return nil
}

func verifyLog(dir string, vkeys []string) error {
	text, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return err
	}
	tree, err := openCheckpoint(text, vkeys)
	if err != nil {
		return err
	}
	entries, err := readEntries(dir, tree.N)
	if err != nil {
		return err
	}
	for i, e := range entries {
		if err := checkEnvelope(e, logKey(vkeys[0])); err != nil {
			return fmt.Errorf("entry %d: %v", i, err)
		}
	}
	stored, err := buildTree(entries)
	if err != nil {
		return err
	}
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			out[i] = stored[x]
		}
		return out, nil
	})
	root, err := tlog.TreeHash(tree.N, reader)
	if err != nil {
		return err
	}
	if root != tree.Hash {
		return errors.New("the entries do not have the root of the checkpoint")
	}
	if err := checkTiles(dir, tree.N, reader); err != nil {
		return err
	}
	fmt.Printf("%d entries\n", tree.N)
	return nil
}

// --- proofs ----------------------------------------------------------------------------------

func verifyProof(file, entryFile string, vkeys []string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	entry, err := os.ReadFile(entryFile)
	if err != nil {
		return err
	}
	at := bytes.Index(text, []byte("\n\n"))
	if at < 0 {
		return errors.New("no checkpoint in the proof")
	}
	lines := strings.Split(string(text[:at]), "\n")
	if len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "index ") {
		return errors.New("not a tlog-proof")
	}
	index, err := strconv.ParseInt(lines[1][6:], 10, 64)
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, l := range lines[2:] {
		raw, err := base64.StdEncoding.DecodeString(l)
		if err != nil || len(raw) != tlog.HashSize {
			return errors.New("malformed hash")
		}
		var h tlog.Hash
		copy(h[:], raw)
		proof = append(proof, h)
	}
	tree, err := openCheckpoint(text[at+2:], vkeys)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry))
}

func verifyConsistency(oldFile, newFile, vkey string, hashes []string) error {
	var trees [2]tlog.Tree
	for i, file := range []string{oldFile, newFile} {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if trees[i], err = openCheckpoint(text, []string{vkey}); err != nil {
			return err
		}
	}
	var proof tlog.TreeProof
	for _, s := range hashes {
		raw, err := hex.DecodeString(s)
		if err != nil || len(raw) != tlog.HashSize {
			return errors.New("malformed hash")
		}
		var h tlog.Hash
		copy(h[:], raw)
		proof = append(proof, h)
	}
	return tlog.CheckTree(proof, trees[1].N, trees[1].Hash, trees[0].N, trees[0].Hash)
}

func main() {
	a := os.Args[1:]
	var err error
	switch {
	case len(a) >= 3 && a[0] == "log":
		err = verifyLog(a[1], a[2:])
	case len(a) >= 4 && a[0] == "proof":
		err = verifyProof(a[1], a[2], a[3:])
	case len(a) >= 4 && a[0] == "consistency":
		err = verifyConsistency(a[1], a[2], a[3], a[4:])
	default:
		fmt.Fprintln(os.Stderr, "usage: see the head of tlogverify.go")
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tlogverify:", err)
		os.Exit(1)
	}
}
