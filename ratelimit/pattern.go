package ratelimit

import (
	"errors"
	"fmt"
	"strings"
)

// Pattern is a parsed path pattern. The zero Pattern matches nothing. It is
// immutable and comparable.
type Pattern struct {
	text   string // without trailing slash, save for "/" itself
	prefix string // what every path that matches begins with
	exact  bool   // holds no wildcard
}

// ParsePattern reads a path pattern. It begins with "/" and is compared
// segment by segment, a segment being what stands between two slashes:
//
//	/sign-in/email   that path
//	/sign-in/*       one more segment, whatever it is, but not none
//	/sign-in/**      any number of further segments, none among them
//	/sign-in*        one segment that begins with "sign-in"
//	/sign-in*/**     that, and everything below
//	/*/members/**    wildcards may stand in any segment
//
// A "*" elsewhere than at the end of a segment is an error, as are empty
// segments, control characters, "?" and "#". Letters' case matters, a trailing
// slash does not. A route's parameter is a segment like any other:
// "/reset-password/:token" matches the route of that name, and so does
// "/reset-password/*".
func ParsePattern(s string) (Pattern, error) {
	if err := checkPattern(s); err != nil {
		return Pattern{}, fmt.Errorf("path pattern %q: %w", s, err)
	}
	text := withoutTrailingSlash(s)
	prefix, _, wild := strings.Cut(text, "*")
	return Pattern{text: text, prefix: strings.TrimSuffix(prefix, "/"), exact: !wild}, nil
}

func checkPattern(s string) error {
	if !strings.HasPrefix(s, "/") {
		return errors.New(`must begin with "/"`)
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c == '?' || c == '#':
			return fmt.Errorf("%q is not part of a path: leave out the query and the fragment", c)
		case c < ' ' || c == 0x7f:
			return errors.New("control characters are not allowed")
		}
	}
	for rest := strings.TrimSuffix(s, "/"); rest != ""; {
		var segment string
		segment, rest = cutSegment(rest)
		if segment == "" {
			return errors.New(`empty segment: write "/" once`)
		}
		if star := strings.IndexByte(segment, '*'); star >= 0 && star < len(segment)-1 && segment != "**" {
			return fmt.Errorf(`segment %q: "*" stands only at the end of a segment, "**" only for whole segments`, segment)
		}
	}
	return nil
}

// Match reports whether the pattern matches the path: the pattern of a route,
// or a path without query that was decoded and cleaned before, never the raw
// URL of a request. The empty path is "/"; another path that does not begin
// with "/" matches nothing. Match does not allocate.
func (p Pattern) Match(path string) bool {
	if p.text == "" || path != "" && path[0] != '/' || !strings.HasPrefix(path, p.prefix) {
		return false
	}
	pattern, path := strings.TrimSuffix(p.text, "/"), strings.TrimSuffix(path, "/")
	if p.exact {
		return pattern == path
	}
	return matchSegments(pattern, path)
}

// String returns the pattern's text, without a trailing slash.
func (p Pattern) String() string { return p.text }

// matchSegments lets each "**" take as few segments as will do. Only the last
// one passed ever needs to take more: what an earlier one would gain, the last
// one covers too.
func matchSegments(pattern, path string) bool {
	var afterStars, starsTook string
	stars := false
	for path != "" {
		segment, restOfPath := cutSegment(path)
		if pattern != "" {
			want, rest := cutSegment(pattern)
			if want == "**" {
				stars, afterStars, starsTook = true, rest, path
				pattern = rest
				continue
			}
			if matchSegment(want, segment) {
				pattern, path = rest, restOfPath
				continue
			}
		}
		if !stars {
			return false
		}
		_, starsTook = cutSegment(starsTook)
		pattern, path = afterStars, starsTook
	}
	for pattern != "" {
		var want string
		if want, pattern = cutSegment(pattern); want != "**" {
			return false
		}
	}
	return true
}

func matchSegment(want, segment string) bool {
	prefix, wild := strings.CutSuffix(want, "*")
	if !wild {
		return want == segment
	}
	return segment != "" && strings.HasPrefix(segment, prefix)
}

// cutSegment splits "/a/b/c" into "a" and "/b/c".
func cutSegment(path string) (segment, rest string) {
	path = path[1:]
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}

// withoutTrailingSlash leaves "/" as it is.
func withoutTrailingSlash(path string) string {
	if len(path) == 1 {
		return path
	}
	return strings.TrimSuffix(path, "/")
}
