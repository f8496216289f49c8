package password

import (
	"errors"
	"slices"
	"testing"
)

// Cheap hashes of one password, made by other implementations: what fuzzing
// starts from, and what alone may verify.
const fuzzPassword = "correct horse"

var fuzzHashes = []string{
	"$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MjZP1+1U9JUbDWvDvtLyEsZiNXOKEUxfi6O2oe46uxA",
	"$argon2i$v=19$m=64,t=1,p=2$c29tZXNhbHQ$v9vUS+jeIFfgf81AmExYmw",
	"$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
	"000102030405060708090a0b0c0d0e0f:9372e2d20f7c9ba55e54d10569dfe24824c5765383f46b040e9ac7b33041339c514173900cb63a37c935c0e2f40cfe2cb39bee5fe58f54715c1fd913c4638373",
}

// checkStored reads what may be anything, and fails when it is read as other
// than it says, costs more than it may, or verifies and should not.
func checkStored(t *testing.T, hash string) {
	t.Helper()
	s, err := parse(hash)
	if err != nil {
		if s != nil || !errors.Is(err, ErrUnknownHash) {
			t.Errorf("parse(%q) = %v, %v", hash, s, err)
		}
		return
	}
	if s.memory() > maxMemory || s.work() > maxMemory*maxTime {
		t.Errorf("%q takes %d KiB and the work of %d", hash, s.memory(), s.work())
	}
	if text, ok := s.(interface{ String() string }); ok && text.String() != hash {
		t.Errorf("%q is read as %q", hash, text)
	}
	// The rest differs in the costs from what verifies.
	if s.work() > 1<<12 {
		return
	}
	known := slices.Contains(fuzzHashes, hash)
	if b, ok := s.(*bcryptHash); ok {
		known = string(b.text[3:]) == fuzzHashes[2][3:]
	}
	if got := s.matches(fuzzPassword); got != known {
		t.Errorf("%q matches: %v", hash, got)
	}
}

func FuzzVerify(f *testing.F) {
	for _, hash := range fuzzHashes {
		f.Add(hash)
	}
	f.Fuzz(checkStored)
}

func TestNoMutationOfAHashVerifies(t *testing.T) {
	t.Parallel()
	for _, hash := range fuzzHashes {
		s, err := parse(hash)
		if err != nil || !s.matches(fuzzPassword) {
			t.Fatalf("%q does not verify: %v", hash, err)
		}
		for i := range len(hash) {
			c := hash[i]
			for _, other := range []byte{c - 1, c + 1, c ^ 0x20, c ^ 0x80, '0', '$', '\n', 0} {
				checkStored(t, hash[:i]+string([]byte{other})+hash[i+1:])
				checkStored(t, hash[:i]+string([]byte{other})+hash[i:])
			}
			checkStored(t, hash[:i])
			checkStored(t, hash[i:])
			checkStored(t, hash[:i]+hash[i+1:])
			checkStored(t, hash[:i]+hash[i:]+hash[i:])
		}
	}
}

// What costs too much to be computed for every mutation.
func TestNoMutationOfAScryptHashVerifies(t *testing.T) {
	t.Parallel()
	hash := fuzzHashes[3]
	for _, i := range []int{0, 33, 160} {
		b := []byte(hash)
		b[i] = "0123456789abcdef"[(int(b[i])+1)%16]
		s, err := parse(string(b))
		if err != nil || string(b) == hash {
			t.Fatalf("%q: %v", b, err)
		}
		if s.matches(fuzzPassword) {
			t.Errorf("%q matches", b)
		}
	}
}
