package ratelimit_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ostiary/ostiary/ratelimit"
)

func TestPatternMatchesBySegment(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern string
		match   []string
		differ  []string
	}{
		{
			"/sign-in/email",
			[]string{"/sign-in/email", "/sign-in/email/"},
			[]string{"", "/", "/sign-in", "/sign-in/emails", "/sign-in/email/x", "/SIGN-IN/email", "sign-in/email", "/x/sign-in/email", "/sign-in/email//"},
		},
		{"/sign-in/", []string{"/sign-in", "/sign-in/"}, []string{"/sign-in/email"}},
		{"/", []string{"/", ""}, []string{"/a", "//", "a"}},
		{
			"/sign-in/*",
			[]string{"/sign-in/email", "/sign-in/:provider", "/sign-in/*", "/sign-in/a/"},
			[]string{"/sign-in", "/sign-in/", "/sign-in//", "/sign-in/a/b", "/sign-inn/a", "/sign-in-x"},
		},
		{
			"/sign-in/**",
			[]string{"/sign-in", "/sign-in/", "/sign-in/email", "/sign-in/a/b/c"},
			[]string{"/sign-inn", "/sign-in-x/a", "/x/sign-in", "/"},
		},
		{"/**", []string{"", "/", "/a", "/a/b"}, []string{"a", "*"}},
		{"/*", []string{"/a", "/a/"}, []string{"", "/", "/a/b"}},
		{
			"/sign-in*",
			[]string{"/sign-in", "/sign-in-x", "/sign-in/"},
			[]string{"/sign-i", "/sign-in/email", "/", "/xsign-in"},
		},
		{"/sign-in*/**", []string{"/sign-in", "/sign-in-x", "/sign-in/a", "/sign-in-x/a/b"}, []string{"/sign", "/a/sign-in"}},
		{"/*/members/*", []string{"/o/members/m"}, []string{"/members/m", "/o/p/members/m", "/o/members"}},
		{"/**/members", []string{"/members", "/a/members", "/members/members", "/a/members/b/members"}, []string{"/members/a", "/"}},
		{"/a/**/b/**/c", []string{"/a/b/c", "/a/x/b/y/z/c", "/a/b/b/c/c", "/a/b/c/b/x/c"}, []string{"/a/c", "/a/b", "/a/b/c/x", "/a/x/c"}},
		{"/**/a/*/b", []string{"/a/a/b", "/a/a/a/b", "/x/a/y/b"}, []string{"/a/b", "/a/x/y/b"}},
		{"/**/**", []string{"/", "/a", "/a/b"}, nil},
		{"/reset-password/:token", []string{"/reset-password/:token"}, []string{"/reset-password/abc"}},
		{"/users/{id}", []string{"/users/{id}"}, []string{"/users/1"}},
	}
	for _, test := range tests {
		pattern, err := ratelimit.ParsePattern(test.pattern)
		if err != nil {
			t.Errorf("ParsePattern(%q): %v", test.pattern, err)
			continue
		}
		for _, path := range test.match {
			if !pattern.Match(path) {
				t.Errorf("%q does not match %q", test.pattern, path)
			}
		}
		for _, path := range test.differ {
			if pattern.Match(path) {
				t.Errorf("%q matches %q", test.pattern, path)
			}
		}
	}
}

func TestPatternsThatAreWrongAreRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	for pattern, reason := range map[string]string{
		"":                 "must begin",
		"sign-in":          "must begin",
		"*":                "must begin",
		"//":               "empty segment",
		"/a//b":            "empty segment",
		"/a//":             "empty segment",
		"/a*b":             `"*" stands only`,
		"/*a":              `"*" stands only`,
		"/a**":             `"*" stands only`,
		"/***":             `"*" stands only`,
		"/sign-in?x=1":     "query",
		"/sign-in#top":     "query",
		"/sign-in\n":       "control",
		"/sign-in/\x7f/**": "control",
	} {
		parsed, err := ratelimit.ParsePattern(pattern)
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("ParsePattern(%q): error %v, want one with %q", pattern, err, reason)
		}
		if parsed.Match("/") || parsed.Match(pattern) {
			t.Errorf("the Pattern returned beside the error for %q matches", pattern)
		}
	}
}

func TestPatternMatchDoesNotAllocate(t *testing.T) {
	pattern, err := ratelimit.ParsePattern("/**/a/*/b*")
	if err != nil {
		t.Fatal(err)
	}
	allocs := testing.AllocsPerRun(100, func() {
		if !pattern.Match("/x/a/y/a/z/bcd") {
			t.Fatal("no match")
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// FuzzPatternMatch compares with a regular expression of the same meaning.
func FuzzPatternMatch(f *testing.F) {
	f.Add("/a/*/b", "/a/x/b")
	f.Add("/**/a/**/b*", "/a/a/b/ba/")
	f.Add("/", "")
	f.Add("/a/**", "/a//")
	f.Fuzz(func(t *testing.T, text, path string) {
		pattern, err := ratelimit.ParsePattern(text)
		got := pattern.Match(path)
		if err != nil {
			if got {
				t.Fatalf("the Pattern returned beside an error matches %q", path)
			}
			return
		}
		if again, err := ratelimit.ParsePattern(pattern.String()); err != nil || again != pattern {
			t.Fatalf("%q does not survive String: %v", text, err)
		}
		if !utf8.ValidString(text) {
			return // no regular expression can say that
		}
		if want := reference(text).MatchString(path); got != want {
			t.Fatalf("%q on %q: %v, want %v", text, path, got, want)
		}
	})
}

func reference(pattern string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`\A`)
	for _, segment := range strings.Split(strings.TrimSuffix(pattern, "/"), "/")[1:] {
		switch prefix, wild := strings.CutSuffix(segment, "*"); {
		case segment == "**":
			b.WriteString(`(?:/[^/]*)*`)
		case segment == "*":
			b.WriteString(`/[^/]+`)
		case wild && prefix != "":
			b.WriteString("/" + regexp.QuoteMeta(prefix) + `[^/]*`)
		default:
			b.WriteString("/" + regexp.QuoteMeta(segment))
		}
	}
	b.WriteString(`/?\z`)
	return regexp.MustCompile(b.String())
}
