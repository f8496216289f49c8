package input_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/internal/input"
)

func TestEmailSyntax(t *testing.T) {
	t.Parallel()
	local64 := strings.Repeat("a", 64)
	domain := func(n int) string { return strings.Repeat("d", n-len(".example")) + ".example" }
	cases := map[string]bool{
		"a@example.test":                     true,
		"A.B+c-d_e'f@Sub.Example.TEST":       true,
		"1@1.co":                             true,
		"o'brien@example.test":               true,
		"'a@example.test":                    true,
		"a'.b@example.test":                  true,
		"-@example.test":                     true,
		"+@example.test":                     true,
		"_@example.test":                     true,
		"a@a-.test":                          true,
		"a@a--b.test":                        true,
		"a@xn--bcher-kva.test":               true,
		"a@1.2.3.test":                       true,
		local64 + "@example.test":            true,
		local64 + "@" + domain(254-65):       true,
		local64 + "@" + domain(255-65):       false,
		local64 + "a@example.test":           false,
		strings.Repeat("a", 400) + "@b.test": false,
		"":                                   false,
		"@":                                  false,
		"a":                                  false,
		"a@":                                 false,
		"@example.test":                      false,
		"a@b":                                false,
		"a@b.":                               false,
		"a@.test":                            false,
		"a@b..test":                          false,
		"a@b.test.":                          false,
		"a@b.t":                              false,
		"a@b.t1":                             false,
		"a@b.te-st":                          false,
		"a@-b.test":                          false,
		"a@b.-c.test":                        false,
		"a@b_c.test":                         false,
		"a@127.0.0.1":                        false,
		"a@[127.0.0.1]":                      false,
		"a@localhost":                        false,
		"a@b@c.test":                         false,
		".a@b.test":                          false,
		"a.@b.test":                          false,
		"a..b@b.test":                        false,
		"a'@b.test":                          false,
		"'@b.test":                           false,
		`"a"@b.test`:                         false,
		`"a b"@b.test`:                       false,
		"a b@b.test":                         false,
		" a@b.test":                          false,
		"a@b.test ":                          false,
		"a@b.test\n":                         false,
		"a@b.test\x00":                       false,
		"a\x00@b.test":                       false,
		"a\r\nBcc: c@d.test":                 false,
		"Ada <a@b.test>":                     false,
		"a(comment)@b.test":                  false,
		"a,b@c.test":                         false,
		"a!b#c$d%e&f@g.test":                 false,
		"ä@b.test":                           false,
		"a@bücher.test":                      false,
		"a@b.тест":                           false,
		"\u0430@b.test":                      false, // Cyrillic a
		"a\u200b@b.test":                     false,
		"a@b。test":                           false, // ideographic full stop
		"\uff41@b.test":                      false, // fullwidth a
		"a\xff@b.test":                       false,
		"mailto:a@b.test":                    false,
	}
	for address, want := range cases {
		if got := input.ValidEmail(address); got != want {
			t.Errorf("%q: got %v, want %v", address, got, want)
		}
	}
}

// emailPattern is the same syntax, said in another way.
var emailPattern = regexp.MustCompile(`\A([\w'+-]+\.)*[\w'+-]*[\w+-]@([0-9A-Za-z][0-9A-Za-z-]*\.)+[A-Za-z]{2,}\z`)

func FuzzValidEmail(f *testing.F) {
	for _, seed := range []string{"a@example.test", "a.b'c+d@e-.f.gh", "a..b@c.de", "a'@b.cd", "a@b.c1", ".a@b.cd", "a@b@c.de", "ä@b.cd", "a@-b.cd"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		local, _, _ := strings.Cut(s, "@")
		want := len(s) <= 254 && len(local) <= 64 && emailPattern.MatchString(s)
		if got := input.ValidEmail(s); got != want {
			t.Fatalf("%q: got %v, want %v", s, got, want)
		}
	})
}

func TestUTF16Len(t *testing.T) {
	t.Parallel()
	cases := map[string]int{"": 0, "abc": 3, "é": 1, "e\u0301": 2, "€": 1, "😀": 2, "a😀b": 4, "\uffff": 1, "\U00010000": 2, "\xff\xfe": 2}
	for s, want := range cases {
		if got := input.UTF16Len(s); got != want {
			t.Errorf("%q: got %d, want %d", s, got, want)
		}
	}
}
