package password

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/scrypt"
)

// ErrUnknownHash is wrapped by the errors of [CheckHash].
var ErrUnknownHash = errors.New("password: unknown hash")

// CheckHash returns an error that wraps [ErrUnknownHash] when [Hasher.Verify]
// would never match the hash, because it is malformed, of an unknown kind or
// too costly: to check hashes before they are imported, and to log why a
// stored one matched nothing. The error does not quote the hash.
//
// Known are, each in the one spelling its software writes:
//
//	$argon2id$v=19$m=19456,t=2,p=1$<salt>$<key>   up to 1 GiB, 10 passes, 16 threads; also $argon2i$
//	<32 hex digits>:<128 hex digits>              better-auth's scrypt
//	$2b$10$<22 characters><31 characters>         bcrypt, up to cost 15; also $2a$ and $2y$
func CheckHash(hash string) error {
	_, err := parse(hash)
	return err
}

// stored is a hash that was read from a database.
type stored interface {
	// memory is what computing it takes, in KiB.
	memory() uint32
	// work is the time it takes, in KiB that Argon2 passes over meanwhile: for
	// other kinds as measured on amd64, near enough to fill up a cheap one.
	work() uint64
	// takes tells whether a password in this form can have such a hash.
	takes(f form) bool
	// matches computes the hash of the password and compares.
	matches(password string) bool
}

func parse(hash string) (stored, error) {
	switch {
	case strings.HasPrefix(hash, "$argon2"):
		return parseArgon2(hash)
	case strings.HasPrefix(hash, "$2"):
		return parseBcrypt(hash)
	case len(hash) == scryptSize:
		return parseScrypt(hash)
	}
	return nil, malformed("not a kind that is verified")
}

func malformed(why string) error {
	return fmt.Errorf("%w: %s", ErrUnknownHash, why)
}

// Sizes in bytes of what new hashes are made of.
const (
	saltSize = 16
	keySize  = 32
)

// argon2Hash is an Argon2id or Argon2i hash.
type argon2Hash struct {
	Params
	id        bool
	salt, key []byte
}

func newArgon2Hash(p Params, salt []byte, password string) *argon2Hash {
	h := &argon2Hash{Params: p, id: true, salt: salt}
	h.key = h.derive(password, keySize)
	return h
}

// parseArgon2 reads the PHC string format, of version 0x13.
func parseArgon2(hash string) (stored, error) {
	part := strings.Split(hash, "$")
	if len(part) != 6 {
		return nil, malformed("argon2: not six parts")
	}
	var h argon2Hash
	switch part[1] {
	case "argon2id":
		h.id = true
	case "argon2i":
	default:
		return nil, malformed("argon2: neither argon2id nor argon2i")
	}
	var err error
	if h.Params, err = parseParams(part[3]); err != nil {
		return nil, err
	}
	if h.salt, err = base64.RawStdEncoding.DecodeString(part[4]); err != nil {
		return nil, malformed("argon2: salt")
	}
	if h.key, err = base64.RawStdEncoding.DecodeString(part[5]); err != nil {
		return nil, malformed("argon2: key")
	}
	if len(h.salt) < 8 || len(h.salt) > 64 {
		return nil, malformed("argon2: salt is not of 8 to 64 bytes")
	}
	if len(h.key) < 16 || len(h.key) > 64 {
		return nil, malformed("argon2: key is not of 16 to 64 bytes")
	}
	// Leading zeros, signs, line breaks and stray bits are read over above.
	if h.String() != hash {
		return nil, malformed("argon2: not in the one spelling")
	}
	return &h, nil
}

func parseParams(s string) (Params, error) {
	var value [3]uint64
	field := strings.Split(s, ",")
	if len(field) != len(value) {
		return Params{}, malformed("argon2: not three parameters")
	}
	for i, name := range []string{"m=", "t=", "p="} {
		digits, ok := strings.CutPrefix(field[i], name)
		if !ok {
			return Params{}, malformed("argon2: parameters are not m, t and p")
		}
		v, err := strconv.ParseUint(digits, 10, 32)
		if err != nil {
			return Params{}, malformed("argon2: parameter is not a number")
		}
		value[i] = v
	}
	m, t, p := value[0], value[1], value[2]
	if t < 1 || t > maxTime || p < 1 || p > maxThreads || m < 8*p || m > maxMemory {
		return Params{}, malformed("argon2: parameters out of bounds")
	}
	return Params{Memory: uint32(m), Time: uint32(t), Threads: uint8(p)}, nil
}

func (h *argon2Hash) String() string {
	kind := "argon2i"
	if h.id {
		kind = "argon2id"
	}
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$%s$v=%d$m=%d,t=%d,p=%d$%s$%s",
		kind, argon2.Version, h.Memory, h.Time, h.Threads, b64(h.salt), b64(h.key))
}

func (h *argon2Hash) derive(password string, size uint32) []byte {
	if h.id {
		return argon2.IDKey([]byte(password), h.salt, h.Time, h.Memory, h.Threads, size)
	}
	return argon2.Key([]byte(password), h.salt, h.Time, h.Memory, h.Threads, size)
}

func (h *argon2Hash) memory() uint32  { return h.Memory }
func (h *argon2Hash) work() uint64    { return uint64(h.Memory) * uint64(h.Time) }
func (h *argon2Hash) takes(form) bool { return true }

func (h *argon2Hash) matches(password string) bool {
	size := uint32(len(h.key)) // at most 64, or it was not parsed
	return subtle.ConstantTimeCompare(h.derive(password, size), h.key) == 1
}

// The parameters of better-auth's scrypt, which its hashes do not carry.
const (
	scryptN       = 16384
	scryptR       = 16
	scryptP       = 1
	scryptKeySize = 64
	// scryptSize is the length of such a hash: salt and key in hexadecimal,
	// and the colon.
	scryptSize = 2*saltSize + 1 + 2*scryptKeySize
)

// scryptHash is a hash as better-auth makes it.
type scryptHash struct {
	// salt holds the hexadecimal digits, not the bytes they stand for: that is
	// what better-auth salts with.
	salt, key []byte
}

func newScryptHash(salt []byte, password string) *scryptHash {
	h := &scryptHash{salt: hex.AppendEncode(nil, salt)}
	h.key = h.derive(password)
	return h
}

func parseScrypt(hash string) (stored, error) {
	salt, digits, ok := strings.Cut(hash, ":")
	if !ok || len(salt) != 2*saltSize {
		return nil, malformed("scrypt: no colon after the salt")
	}
	if _, err := hex.DecodeString(salt); err != nil {
		return nil, malformed("scrypt: salt")
	}
	key, err := hex.DecodeString(digits)
	if err != nil {
		return nil, malformed("scrypt: key")
	}
	if hash != strings.ToLower(hash) {
		return nil, malformed("scrypt: upper case")
	}
	return &scryptHash{salt: []byte(salt), key: key}, nil
}

func (h *scryptHash) String() string { return string(h.salt) + ":" + hex.EncodeToString(h.key) }

func (h *scryptHash) derive(password string) []byte {
	key, err := scrypt.Key([]byte(password), h.salt, scryptN, scryptR, scryptP, scryptKeySize)
	if err != nil {
		panic(err) // It refuses nothing but parameters, and these are constants.
	}
	return key
}

func (h *scryptHash) memory() uint32    { return 128 * scryptN * scryptR / 1024 }
func (h *scryptHash) work() uint64      { return 105_000 }
func (h *scryptHash) takes(f form) bool { return !f.asTyped }
func (h *scryptHash) matches(p string) bool {
	return subtle.ConstantTimeCompare(h.derive(p), h.key) == 1
}

// bcryptHash is a bcrypt hash with its text. The versions 2a, 2b and 2y name
// one algorithm and different bugs, which x/crypto has none of.
type bcryptHash struct {
	text []byte
	cost uint
}

// bcryptBase64 refuses stray bits behind the last byte: x/crypto would accept
// several spellings of one salt.
var bcryptBase64 = base64.NewEncoding("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789").
	WithPadding(base64.NoPadding).Strict()

func parseBcrypt(hash string) (stored, error) {
	if len(hash) != 60 || strings.IndexByte("aby", hash[2]) < 0 || hash[3] != '$' || hash[6] != '$' {
		return nil, malformed("bcrypt: not $2a$, $2b$ or $2y$ and 56 characters")
	}
	cost, err := strconv.ParseUint(hash[4:6], 10, 8)
	if err != nil || cost < uint64(bcrypt.MinCost) || cost > maxBcryptCost {
		return nil, malformed("bcrypt: cost out of bounds")
	}
	// The decoder reads over line breaks: then bytes are missing.
	if salt, err := bcryptBase64.DecodeString(hash[7:29]); err != nil || len(salt) != 16 {
		return nil, malformed("bcrypt: salt")
	}
	if key, err := bcryptBase64.DecodeString(hash[29:]); err != nil || len(key) != 23 {
		return nil, malformed("bcrypt: key")
	}
	return &bcryptHash{text: []byte(hash), cost: uint(cost)}, nil
}

func (h *bcryptHash) memory() uint32 { return 4 }
func (h *bcryptHash) work() uint64   { return 95 << h.cost }

// takes refuses what bcrypt would cut off at its 72nd byte, and a NUL, with
// which it ends a password before it repeats it: "a" and "a\x00a" are one.
func (h *bcryptHash) takes(f form) bool {
	return len(f.text) <= 72 && strings.IndexByte(f.text, 0) < 0
}

func (h *bcryptHash) matches(password string) bool {
	return bcrypt.CompareHashAndPassword(h.text, []byte(password)) == nil
}
