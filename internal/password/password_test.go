package password_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"regexp"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary/internal/password"
)

// Hashes made by other implementations: Argon2 by the Rust argon2 crate and,
// alike, by hash-wasm; scrypt by Node; bcrypt by crypt(3).
const (
	horse    = "correct horse battery staple"
	horse2id = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$gy5SuVm5Z7Vw7keB9se9p87QGcomaseB/S2U1OhTsM0"
	horse2i  = "$argon2i$v=19$m=12288,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$g8o3hKU1pGEbFMGqNT7w002qn6sj5mMIQONVfEnYVb8"
	horseRFC = "$argon2id$v=19$m=65536,t=3,p=4$MDEyMzQ1Njc4OWFiY2RlZg$77UfmnZYT23WpPeUKhovauWm5OxRQv9nTf1dJ+tF5EY"
	shortTag = "$argon2id$v=19$m=256,t=1,p=2$c29tZXNhbHQ$U/3KamqJd3O+ibfaQKXSfQ"
	longTag  = "$argon2id$v=19$m=64,t=1,p=8$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY$DrlIdBNNtBnQ/sSZW5dsYutwFe2u8rbvcndmxl22CO5ijARYlvcLkLJVcHMBE5/8ztQGiC7qg6rdPzfypoxJZQ"
	wide     = "$argon2id$v=19$m=131072,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$JPNyNTdYdXs4QftrJOYfUhKPnd4lLGtxtkcbWUSpryI"
	scrypt   = "3440554c82f6929e7749df9c64dd8c9c:d93de48e082b07e141fabf13684fdc2cd4188689c29e0adc109e2284d803e76c53e2863e8f0629b54987a5f83f179dd64a831e9340771575047d2cba2e9936fc"
	bcrypt4  = "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e" // correct horse
	bcrypt72 = "$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i" // 72 times x
)

func newHasher(t testing.TB, c password.Config) *password.Hasher {
	t.Helper()
	h, err := password.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHashIsArgon2idWithItsOwnSaltAndVerifies(t *testing.T) {
	t.Parallel()
	h := newHasher(t, password.Config{})
	first, err := h.Hash(t.Context(), horse)
	if err != nil {
		t.Fatal(err)
	}
	if want := regexp.MustCompile(`^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`); !want.MatchString(first) {
		t.Errorf("Hash = %q", first)
	}
	second, err := h.Hash(t.Context(), horse)
	if err != nil {
		t.Fatal(err)
	}
	if first == second {
		t.Error("two hashes have the same salt")
	}
	ok, rehash, err := h.Verify(t.Context(), first, horse)
	if !ok || rehash || err != nil {
		t.Errorf("Verify = %v, %v, %v", ok, rehash, err)
	}
}

func TestHashIsWhatOtherImplementationsMake(t *testing.T) {
	t.Parallel()
	betterAuthSalt, err := hex.DecodeString(scrypt[:32])
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		config         password.Config
		salt           string
		password, want string
	}{
		"default":     {password.Config{}, "0123456789abcdef", horse, horse2id},
		"RFC 9106":    {password.Config{Params: password.Params{Memory: 65536, Time: 3, Threads: 4}}, "0123456789abcdef", horse, horseRFC},
		"better-auth": {password.Config{Scrypt: true}, string(betterAuthSalt), "password789", scrypt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.config.Rand = strings.NewReader(c.salt)
			hash, err := newHasher(t, c.config).Hash(t.Context(), c.password)
			if err != nil || hash != c.want {
				t.Errorf("Hash = %q, %v\nwant %q", hash, err, c.want)
			}
		})
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	argon := newHasher(t, password.Config{Queue: 1000, MaxWait: time.Hour})
	strong := newHasher(t, password.Config{Queue: 1000, MaxWait: time.Hour, Params: password.Params{Memory: 65536, Time: 3, Threads: 4}})
	better := newHasher(t, password.Config{Queue: 1000, MaxWait: time.Hour, Scrypt: true})
	const (
		// "5 µg²" as typed, and its normal form.
		micro    = "$argon2id$v=19$m=256,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$7ky2YvkEnBf7UU/AeMATUtH5xme7J7vuqWsxRid63Gw"
		microT   = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$AEy1aH+8Qx3LqLwWzbnQ9sR91Fs0IaFgMDKJ0Ujh70k"
		microS   = "000102030405060708090a0b0c0d0e0f:6b6e60e455465d188de1a7df9cd94a7d6928f3bacdcf7175f07bfe5839b2debf2707ce650cc47ef91cc33626a8f48194e388549217e860ca9d89df9f4ae2b09a"
		salt8    = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$GKeKPQVKm/RXiVx2/RZWGnJYZhp8Ka6CtxwyHIdWq4w"
		key16    = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$r7bo9/eFnpSvTYjFNNzOug"
		sameI    = "$argon2i$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$s17sX2LPBrjJVGBtXTW47VUX75ws4R/8RSYWWPZ2VFA"
		microN   = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$7GZAvytpZhJ82ig9GLrw8mjjeiSkKqic2/I06v6gfzg"
		microB   = "$2b$04$abcdefghijklmnopqrstuu72vXk7XXkeJvq8oVRJ2nC/lKh3O0h7."
		microBN  = "$2b$04$abcdefghijklmnopqrstuuanP36pBMZtSHWC1EiCztZ7kKTjP1lma"
		ligature = "3440554c82f6929e7749df9c64dd8c9c:b187596b878c00e4989b55684f2f86982c6775298f95c08821db2b8349e904bfd9c0af3f069c58263e375bc650859c26a3f6bef0bfc5d11d9eabd52e2a479567"
		justA    = "$2b$04$abcdefghijklmnopqrstuuMFdJu9yVgmagVAIC24fOZkaFqd3s9JC"
	)
	for name, c := range map[string]struct {
		hasher         *password.Hasher
		hash, password string
		ok, rehash     bool
	}{
		"current":                              {argon, horse2id, horse, true, false},
		"wrong":                                {argon, horse2id, "correct horse battery stable", false, false},
		"empty":                                {argon, horse2id, "", false, false},
		"space at the end":                     {argon, horse2id, horse + " ", false, false},
		"space before":                         {argon, horse2id, " " + horse, false, false},
		"capitals":                             {argon, horse2id, strings.ToUpper(horse), false, false},
		"full width":                           {argon, horse2id, "ｃｏｒｒｅｃｔ ｈｏｒｓｅ　battery staple", true, false},
		"NUL at the end":                       {argon, horse2id, horse + "\x00", false, false},
		"other parameters":                     {strong, horse2id, horse, true, true},
		"stronger than current":                {argon, horseRFC, horse, true, true},
		"current by configuration":             {strong, horseRFC, horse, true, false},
		"argon2i":                              {argon, horse2i, horse, true, true},
		"argon2i, wrong":                       {argon, horse2i, "x", false, false},
		"short tag and salt":                   {argon, shortTag, "short tag", true, true},
		"long tag and salt":                    {argon, longTag, "long tag", true, true},
		"more memory than the gate":            {argon, wide, "wide", true, true},
		"more memory than the gate, wrong":     {argon, wide, "narrow", false, false},
		"normal form of what is typed":         {argon, microN, "5 µg²", true, false},
		"normal form typed":                    {argon, microN, "5 \u03bcg2", true, false},
		"hash of what is typed":                {argon, micro, "5 µg²", true, true},
		"current hash of what is typed":        {argon, microT, "5 µg²", true, true},
		"current but for the salt":             {argon, salt8, "short salt", true, true},
		"current but for the key":              {argon, key16, "short key", true, true},
		"current but for the variant":          {argon, sameI, "argon2i", true, true},
		"scrypt, of what is typed":             {argon, microS, "5 µg²", false, false},
		"hash of another spelling":             {argon, micro, "5 \u03bcg2", false, false},
		"scrypt":                               {argon, scrypt, "password789", true, true},
		"scrypt, wrong":                        {argon, scrypt, "password788", false, false},
		"scrypt, full width":                   {argon, scrypt, "ｐａｓｓｗｏｒｄ７８９", true, true},
		"scrypt, of a normal form":             {argon, ligature, "ｐａｓｓ ﬁ ²", true, true},
		"scrypt, by configuration":             {better, scrypt, "password789", true, false},
		"scrypt, wrong by configuration":       {better, scrypt, "password788", false, false},
		"Argon2id, scrypt by configuration":    {better, horse2id, horse, true, true},
		"bcrypt":                               {argon, bcrypt4, "correct horse", true, true},
		"bcrypt 2a":                            {argon, strings.Replace(bcrypt4, "2b", "2a", 1), "correct horse", true, true},
		"bcrypt 2y":                            {argon, strings.Replace(bcrypt4, "2b", "2y", 1), "correct horse", true, true},
		"bcrypt cost 10":                       {argon, "$2b$10$abcdefghijklmnopqrstuu23JPZtHcGhwXSF41f93o/7vBdDut3Xu", "correct horse", true, true},
		"bcrypt, wrong":                        {argon, bcrypt4, "correct hors", false, false},
		"bcrypt, hash of what is typed":        {argon, microB, "5 µg²", true, true},
		"bcrypt, normal form of what is typed": {argon, microBN, "5 µg²", true, true},
		"bcrypt, 72 bytes":                     {argon, bcrypt72, strings.Repeat("x", 72), true, true},
		"bcrypt, 73 bytes":                     {argon, bcrypt72, strings.Repeat("x", 73), false, false},
		"bcrypt, 72 bytes and a NUL":           {argon, bcrypt72, strings.Repeat("x", 72) + "\x00", false, false},
		"bcrypt, repeated after a NUL":         {argon, justA, "a\x00a", false, false},
		"bcrypt, not repeated":                 {argon, justA, "a", true, true},
		"no hash":                              {argon, "", "", false, false},
		"no hash, NUL":                         {argon, "", "\x00", false, false},
		"the password for a hash":              {argon, horse, horse, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ok, rehash, err := c.hasher.Verify(t.Context(), c.hash, c.password)
			if err != nil || ok != c.ok || rehash != c.rehash {
				t.Errorf("Verify = %v, %v, %v, want %v, %v", ok, rehash, err, c.ok, c.rehash)
			}
		})
	}
}

func TestRehashEndsWithTheCurrentKind(t *testing.T) {
	t.Parallel()
	h := newHasher(t, password.Config{})
	for _, typed := range []string{"password789", "ｐａｓｓｗｏｒｄ７８９"} {
		ok, rehash, err := h.Verify(t.Context(), scrypt, typed)
		if !ok || !rehash || err != nil {
			t.Fatalf("Verify of the old hash = %v, %v, %v", ok, rehash, err)
		}
		hash, err := h.Hash(t.Context(), typed)
		if err != nil {
			t.Fatal(err)
		}
		ok, rehash, err = h.Verify(t.Context(), hash, "password789")
		if !ok || rehash || err != nil {
			t.Errorf("Verify of the new hash = %v, %v, %v", ok, rehash, err)
		}
	}
}

func TestIllFormedPasswordIsRefusedBeforeAnyWork(t *testing.T) {
	t.Parallel()
	h := newHasher(t, password.Config{})
	for _, bad := range []string{"\xff", "pass\xc0\xafword", "\xed\xa0\x80", "caf\xc3"} {
		if _, err := h.Hash(t.Context(), bad); !errors.Is(err, password.ErrEncoding) {
			t.Errorf("Hash(%q): %v", bad, err)
		}
		for _, hash := range []string{horse2id, scrypt, bcrypt4, "", "nonsense"} {
			if ok, _, err := h.Verify(t.Context(), hash, bad); ok || !errors.Is(err, password.ErrEncoding) {
				t.Errorf("Verify(%q, %q): %v, %v", hash, bad, ok, err)
			}
		}
		if err := h.VerifyNothing(t.Context(), bad); !errors.Is(err, password.ErrEncoding) {
			t.Errorf("VerifyNothing(%q): %v", bad, err)
		}
	}
	if total := h.Stats().Total; total != 0 {
		t.Errorf("computed %d hashes", total)
	}
}

func TestFailureToReadASaltIsReported(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]io.Reader{
		"none":  strings.NewReader(""),
		"short": strings.NewReader("0123456789abcde"),
	} {
		hash, err := newHasher(t, password.Config{Rand: r}).Hash(t.Context(), horse)
		if hash != "" || err == nil {
			t.Errorf("%s: Hash = %q, %v", name, hash, err)
		}
	}
}

func TestParams(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		params password.Params
		ok     bool
	}{
		{password.Params{}, true},
		{password.Params{Memory: 19456}, true},
		{password.Params{Memory: 19455}, false},
		{password.Params{Time: 1}, false},
		{password.Params{Memory: 46 << 10, Time: 1}, true},
		{password.Params{Memory: 46<<10 - 1, Time: 1}, false},
		{password.Params{Memory: 12 << 10, Time: 3}, true},
		{password.Params{Memory: 12<<10 - 1, Time: 3}, false},
		{password.Params{Memory: 12<<10 - 1, Time: 10}, false},
		{password.Params{Memory: 12 << 10, Time: 2}, false},
		{password.Params{Memory: 64 << 10, Time: 3, Threads: 4}, true},
		{password.Params{Memory: 1 << 20, Time: 10, Threads: 16}, true},
		{password.Params{Memory: 1<<20 + 1}, false},
		{password.Params{Time: 11}, false},
		{password.Params{Threads: 17}, false},
	} {
		if err := c.params.Check(); (err == nil) != c.ok {
			t.Errorf("%+v: Check() = %v, want ok %v", c.params, err, c.ok)
		}
		if _, err := password.New(password.Config{Params: c.params}); (err == nil) != c.ok {
			t.Errorf("%+v: New: %v, want ok %v", c.params, err, c.ok)
		}
	}
}

func TestNewReportsEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := password.New(password.Config{Params: password.Params{Memory: 1}, Concurrency: -1, Queue: -2, MaxWait: -3})
	if err == nil {
		t.Fatal("no error")
	}
	for _, field := range []string{"Params.Memory", "Concurrency", "Queue", "MaxWait"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("%s is not reported: %v", field, err)
		}
	}
}

// What a failure takes must not tell what is stored. Memory that was allocated
// stands for work here, being exact where time is not.
func TestFailuresTakeTheWorkOfACurrentHash(t *testing.T) {
	h := newHasher(t, password.Config{})
	long := strings.Repeat("x", 73)
	for name, c := range map[string]struct {
		hash, password string
		least          uint64 // KiB
	}{
		"current":              {horse2id, "wrong", 19456},
		"no hash":              {"", "wrong", 19456},
		"malformed":            {"$argon2id$v=19$m=19456", "wrong", 19456},
		"too costly":           {strings.Replace(horse2id, "19456", "1048577", 1), "wrong", 19456},
		"cheap Argon2id":       {shortTag, "wrong", 19000},
		"cheap bcrypt":         {bcrypt4, "wrong", 18000},
		"too long for bcrypt":  {bcrypt72, long, 19456},
		"two forms":            {horse2id, "ｗrong", 2 * 19456},
		"no hash, two forms":   {"", "ｗrong", 2 * 19456},
		"bcrypt and two forms": {bcrypt4, "ｗrong", 18000},
	} {
		if got := allocated(t, func() (bool, error) {
			ok, _, err := h.Verify(t.Context(), c.hash, c.password)
			return ok, err
		}); got < c.least {
			t.Errorf("%s: a failed Verify allocates %d KiB, want at least %d", name, got, c.least)
		}
	}
	if got := allocated(t, func() (bool, error) {
		return false, h.VerifyNothing(t.Context(), "wrong")
	}); got < 19456 {
		t.Errorf("VerifyNothing allocates %d KiB", got)
	}
}

// allocated returns how many KiB a verification that must fail allocates.
func allocated(t *testing.T, verify func() (bool, error)) uint64 {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	ok, err := verify()
	runtime.ReadMemStats(&after)
	if ok || err != nil {
		t.Errorf("verified: %v, %v", ok, err)
	}
	return (after.TotalAlloc - before.TotalAlloc) >> 10
}

// Ungated, 60 at once take 60 times 19 MiB, which is 1.1 GiB.
func TestMemoryIsBoundedByTheGate(t *testing.T) {
	const callers = 60
	h := newHasher(t, password.Config{Concurrency: 2, Queue: callers, MaxWait: time.Hour})
	debug.FreeOSMemory()
	before := mapped()
	var peak atomic.Uint64
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			var ok bool
			var err error
			if i%2 == 0 {
				ok, _, err = h.Verify(context.Background(), horse2id, horse)
			} else {
				ok, err = true, h.VerifyNothing(context.Background(), horse)
			}
			if !ok || err != nil {
				t.Errorf("Verify = %v, %v", ok, err)
			}
			now := mapped()
			for seen := peak.Load(); now > seen && !peak.CompareAndSwap(seen, now); {
				seen = peak.Load()
			}
		})
	}
	wg.Wait()
	t.Logf("%d MiB before, %d MiB at most", before>>20, peak.Load()>>20)
	if grown := peak.Load() - min(before, peak.Load()); grown > 200<<20 {
		t.Errorf("%d hashes at once took %d MiB", callers, grown>>20)
	}
	if total := h.Stats().Total; total != callers {
		t.Errorf("Total = %d", total)
	}
}

func TestMemoryOfAnOutsizeHashIsFreedBeforeTheNext(t *testing.T) {
	h := newHasher(t, password.Config{})
	for range 3 {
		if ok, _, err := h.Verify(t.Context(), wide, "wide"); !ok || err != nil {
			t.Fatalf("Verify = %v, %v", ok, err)
		}
		var m runtime.MemStats
		if runtime.ReadMemStats(&m); m.HeapAlloc > 64<<20 {
			t.Errorf("%d MiB are still allocated", m.HeapAlloc>>20)
		}
	}
}

// mapped is the memory that the Go runtime holds, in bytes.
func mapped() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}

func BenchmarkHash(b *testing.B) {
	for name, c := range map[string]password.Config{
		"default":     {},
		"RFC9106":     {Params: password.Params{Memory: 65536, Time: 3, Threads: 4}},
		"better-auth": {Scrypt: true},
	} {
		b.Run(name, func(b *testing.B) {
			h := newHasher(b, c)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := h.Hash(b.Context(), horse); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	h := newHasher(b, password.Config{})
	for name, hash := range map[string]string{
		"argon2id":   horse2id,
		"wide":       wide,
		"scrypt":     scrypt,
		"bcrypt10":   "$2b$10$abcdefghijklmnopqrstuu23JPZtHcGhwXSF41f93o/7vBdDut3Xu",
		"bcrypt4":    bcrypt4,
		"unreadable": "",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if ok, _, err := h.Verify(b.Context(), hash, rand.Text()); ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

func BenchmarkVerifyParallel(b *testing.B) {
	h := newHasher(b, password.Config{Queue: 1000, MaxWait: time.Hour})
	b.SetParallelism(50)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if ok, _, err := h.Verify(b.Context(), horse2id, horse); !ok || err != nil {
				b.Error(ok, err)
			}
		}
	})
}
