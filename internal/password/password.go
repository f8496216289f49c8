// Package password hashes passwords and verifies them, never more at a time
// than the machine was given for it.
//
//	hasher, err := password.New(password.Config{})
//	hash, err := hasher.Hash(ctx, "correct horse battery staple")
//	ok, rehash, err := hasher.Verify(ctx, hash, "correct horse battery staple")
//
// New hashes are Argon2id in the PHC format. Verified are also hashes that
// other software left in a database: Argon2i, the scrypt of better-auth, and
// bcrypt. When Verify says rehash, the caller stores a new hash in the place
// of the old one.
//
// The one thing to know: every call passes a gate, because a hash takes tens
// of milliseconds of a processor and tens of megabytes, and anybody can ask
// for one by signing in. A few are computed at once, some wait, and the rest
// is refused with [ErrBusy], which a server answers with 503 and Retry-After.
//
// So that the time of an answer does not tell which accounts exist, a server
// calls [Hasher.VerifyNothing] where there is no hash to compare with, and
// Verify fills up the time of a failure that cost less than a hash of the
// current kind. It cannot hide a stored hash that costs more, as bcrypt and
// scrypt do with the default parameters: that ends as those hashes are
// replaced.
//
// Passwords are compared in Unicode normal form NFKC, so that it does not
// matter which keyboard typed them. Nothing is trimmed, folded or cut off.
// How long a password may be is the caller's affair, before it comes here.
package password

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// ErrBusy is returned when a hash was not computed because too many are under
// way. Asking again in a second is reasonable.
var ErrBusy = errors.New("password: too many hashes under way")

// ErrEncoding is returned for a password that is not well-formed UTF-8.
var ErrEncoding = errors.New("password: not well-formed UTF-8")

// Config says how to hash and how much of the machine to use. The zero value
// is the recommended one.
type Config struct {
	// Params are the costs of new Argon2id hashes.
	Params Params
	// Scrypt makes new hashes as better-auth does, for a database shared with a
	// server that cannot verify others. Params are then not used, and Argon2id
	// becomes a kind that is verified and replaced. These hashes are weaker than
	// what OWASP asks for.
	Scrypt bool
	// Concurrency is how many hashes are computed at once. Default: GOMAXPROCS.
	//
	// They take at most Concurrency times 64 MiB, or Concurrency times
	// Params.Memory where that is more, and what the garbage collector has not
	// yet taken back, as a rule once more as much. A stored hash that takes more
	// memory counts as several, or runs alone.
	Concurrency int
	// Queue is how many calls may wait for their turn. Default: 8 times
	// Concurrency.
	Queue int
	// MaxWait is how long a call may wait for its turn. Default: 2 seconds.
	MaxWait time.Duration
	// Rand is the source of salts, safe for concurrent use. Default: crypto/rand,
	// which does not fail: it ends the program instead.
	Rand io.Reader
}

// Hasher hashes and verifies passwords. It is safe for concurrent use.
type Hasher struct {
	params Params
	scrypt bool
	rand   io.Reader
	gate   *gate
	// unit is the memory in KiB that one place in the gate stands for.
	unit uint32
	// dummy is a hash of the current kind that no password is known for. It is
	// compared with where there is nothing to compare with.
	dummy stored
}

// Stats counts a Hasher's work.
type Stats struct {
	// Running and Waiting are the calls being computed and those waiting for
	// their turn, now.
	Running, Waiting int
	// Total is how many calls have been computed or are being computed since
	// the Hasher was made. Refused and abandoned calls are not among them.
	Total uint64
}

// New makes a Hasher. It reports every problem of the configuration at once.
func New(c Config) (*Hasher, error) {
	if c.Concurrency == 0 {
		c.Concurrency = runtime.GOMAXPROCS(0)
	}
	if c.Queue == 0 {
		c.Queue = 8 * c.Concurrency
	}
	if c.MaxWait == 0 {
		c.MaxWait = 2 * time.Second
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	params := c.Params.withDefaults()
	h := &Hasher{
		params: params,
		scrypt: c.Scrypt,
		rand:   c.Rand,
		gate:   newGate(c.Concurrency, c.Queue, c.MaxWait),
		unit:   max(params.Memory, 64<<10),
		dummy:  &argon2Hash{id: true, Params: params, salt: make([]byte, saltSize), key: make([]byte, keySize)},
	}
	if c.Scrypt {
		h.dummy = &scryptHash{salt: make([]byte, 2*saltSize), key: make([]byte, scryptKeySize)}
	}
	return h, nil
}

func (c *Config) check() error {
	var problems []error
	if err := c.Params.Check(); err != nil {
		problems = append(problems, err)
	}
	if c.Concurrency < 0 {
		problems = append(problems, fmt.Errorf("password: Concurrency %d: must not be negative", c.Concurrency))
	}
	if c.Queue < 0 {
		problems = append(problems, fmt.Errorf("password: Queue %d: must not be negative", c.Queue))
	}
	if c.MaxWait < 0 {
		problems = append(problems, fmt.Errorf("password: MaxWait %v: must not be negative", c.MaxWait))
	}
	return errors.Join(problems...)
}

// Hash returns a new hash of the password, to be stored.
//
// It returns [ErrEncoding], [ErrBusy], an error that wraps the context's when
// that ended before the computation began, or the failure to read a salt. A
// computation that has begun is finished, whatever becomes of the context.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	if !utf8.ValidString(password) {
		return "", ErrEncoding
	}
	var hash string
	var failure error
	err := h.gate.run(ctx, h.places(h.dummy), func() {
		hash, failure = h.hash(norm.NFKC.String(password))
	})
	if err != nil {
		return "", err
	}
	return hash, failure
}

func (h *Hasher) hash(password string) (string, error) {
	salt := make([]byte, saltSize)
	if _, err := io.ReadFull(h.rand, salt); err != nil {
		return "", fmt.Errorf("password: read salt: %w", err)
	}
	if h.scrypt {
		return newScryptHash(salt, password).String(), nil
	}
	return newArgon2Hash(h.params, salt, password).String(), nil
}

// Verify tells whether the password is the one the hash was made of, and if
// so, whether the hash should be replaced because it is not of the current
// kind and parameters or was made of the password as typed.
//
// An empty, malformed, unknown or too costly hash matches no password; it is
// not an error here, [CheckHash] tells it apart. Apart from better-auth's
// scrypt, whose passwords are always in normal form, a password whose normal
// form differs from what was typed is tried in both, since other software
// hashes what was typed. bcrypt knows no password of more than 72 bytes and
// none with a NUL in it: they match no such hash.
//
// The errors are those of [Hasher.Hash], without the last. They say nothing
// about the password.
func (h *Hasher) Verify(ctx context.Context, hash, password string) (ok, rehash bool, err error) {
	s, err := parse(hash)
	if err != nil {
		return false, false, h.VerifyNothing(ctx, password)
	}
	return h.verify(ctx, s, password)
}

// VerifyNothing does the work of a [Hasher.Verify] that fails, with the same
// errors: for a user who does not exist or has no password.
func (h *Hasher) VerifyNothing(ctx context.Context, password string) error {
	_, _, err := h.verify(ctx, h.dummy, password)
	return err
}

func (h *Hasher) verify(ctx context.Context, s stored, password string) (ok, rehash bool, err error) {
	if !utf8.ValidString(password) {
		return false, false, ErrEncoding
	}
	err = h.gate.run(ctx, h.places(s), func() {
		ok, rehash = h.compare(s, formsOf(password))
		if s.memory() > h.unit {
			// Otherwise the next of its size would be laid beside its garbage.
			runtime.GC()
		}
	})
	return ok, rehash, err
}

func (h *Hasher) compare(s stored, forms []form) (ok, rehash bool) {
	var spent, due uint64
	for _, f := range forms {
		if h.dummy.takes(f) {
			due += h.dummy.work()
		}
		if !s.takes(f) {
			continue
		}
		if s.matches(f.text) {
			return true, f.asTyped || !h.current(s)
		}
		spent += s.work()
	}
	if spent < due {
		h.spend(due - spent)
	}
	return false, false
}

// current tells whether s is of the kind and parameters that Hash uses.
func (h *Hasher) current(s stored) bool {
	switch s := s.(type) {
	case *argon2Hash:
		return !h.scrypt && s.id && s.Params == h.params && len(s.salt) == saltSize && len(s.key) == keySize
	case *scryptHash:
		return h.scrypt
	}
	return false
}

// spend does so much work for nothing.
func (h *Hasher) spend(work uint64) {
	passes := (work + uint64(h.params.Memory) - 1) / uint64(h.params.Memory)
	memory := work / passes
	// Both are bounded: memory by Params.Memory, passes by two hashes' work over it.
	argon2.IDKey(nil, make([]byte, saltSize), uint32(passes), uint32(memory), h.params.Threads, keySize)
}

// places is how many places in the gate a computation takes.
func (h *Hasher) places(s stored) int {
	return int((s.memory() + h.unit - 1) / h.unit)
}

// Stats returns the state of the work. It does not wait.
func (h *Hasher) Stats() Stats { return h.gate.stats() }

// form is one of the texts that a typed password may stand for.
type form struct {
	text string
	// asTyped is true when text is not the normal form.
	asTyped bool
}

func formsOf(password string) []form {
	normal := norm.NFKC.String(password)
	if normal == password {
		return []form{{text: normal}}
	}
	return []form{{text: normal}, {text: password, asTyped: true}}
}
