package input

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// check is a condition on text beyond its type.
type check struct {
	holds func(string) bool
	text  string // what is wrong when it does not hold
}

// checks are the conditions that a check tag can name.
var checks = map[string]*check{
	"email":    {holds: ValidEmail, text: "Invalid email address"},
	"nonempty": {holds: func(s string) bool { return s != "" }, text: "Too small: expected string to have >=1 characters"},
}

func checkNames() string {
	names := make([]string, 0, len(checks))
	for name := range checks {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// flaw says why a text cannot be taken at all; empty when it can.
func flaw(s string) string {
	switch {
	case strings.IndexByte(s, 0) >= 0:
		return textNUL
	case !utf8.ValidString(s):
		return textUTF8
	}
	return ""
}

// flawWithin is [flaw] for all text in a value, names of members included.
// depth counts what is around it: a value that Go code made may contain
// itself.
func flawWithin(value any, depth int) string {
	if depth > maxDepth {
		return textTooDeep
	}
	switch v := value.(type) {
	case string:
		return flaw(v)
	case []string:
		return firstFlaw(v, flaw)
	case []any:
		return firstFlaw(v, func(element any) string { return flawWithin(element, depth+1) })
	case map[string]any:
		for name, member := range v {
			if text := flaw(name); text != "" {
				return text
			}
			if text := flawWithin(member, depth+1); text != "" {
				return text
			}
		}
	}
	return ""
}

func firstFlaw[T any](values []T, find func(T) string) string {
	for _, v := range values {
		if text := find(v); text != "" {
			return text
		}
	}
	return ""
}

// UTF16Len is the length of s as JavaScript counts it: in UTF-16 code units,
// two for a character beyond U+FFFF. A byte that is not part of valid UTF-8
// counts as one.
func UTF16Len(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}

// longerThan reports whether s has more than n UTF-16 code units. Only where
// the number of bytes leaves it open are they counted: a unit takes one to
// three bytes.
func longerThan(s string, n int) bool {
	switch {
	case len(s) <= n:
		return false
	case len(s)/3 > n:
		return true
	}
	return UTF16Len(s) > n
}
