package input

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Where a problem lies: the values of [Problem.Where].
const (
	Body  = "body"
	Query = "query"
	Path  = "path"
)

// Problem is one thing that is wrong with a request.
type Problem struct {
	Where string // [Body], [Query] or [Path]
	Path  string // names and positions that lead to it, joined by dots; empty is the whole
	Text  string // what is wrong, in the words of the wire protocol
}

// String is the problem as the wire protocol shows it:
//
//	[body.email] Invalid email address
func (p Problem) String() string {
	if p.Path == "" {
		return "[" + p.Where + "] " + p.Text
	}
	return "[" + p.Where + "." + p.Path + "] " + p.Text
}

// Problems is everything that is wrong with a request. Empty means nothing is.
type Problems []Problem

// Error joins the problems with "; ".
func (ps Problems) Error() string {
	texts := make([]string, len(ps))
	for i, p := range ps {
		texts[i] = p.String()
	}
	return strings.Join(texts, "; ")
}

// The answer to a request must not grow out of proportion to the request: what
// the sender repeats and names is cut.
const (
	maxProblems = 64
	maxSegment  = 64 // bytes of one name in a path
)

const (
	textNUL     = "Invalid input: contains a NUL character"
	textUTF8    = "Invalid input: is not valid UTF-8"
	textTooDeep = "Invalid input: is nested too deeply"
)

// segment is one step of a path: the position in an array, or, when that is
// negative, a name.
type segment struct {
	name     string
	position int
}

func joinSegments(segments []segment) string {
	var b strings.Builder
	for i, s := range segments {
		if i > 0 {
			b.WriteByte('.')
		}
		switch {
		case s.position >= 0:
			b.WriteString(strconv.Itoa(s.position))
		case len(s.name) > maxSegment:
			b.WriteString(cut(s.name, maxSegment))
			b.WriteString("…")
		default:
			b.WriteString(s.name)
		}
	}
	return b.String()
}

// cut returns the start of s that has at most n bytes and whole characters.
func cut(s string, n int) string {
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// received names the kind of a value as the wire protocol does. What only Go
// code can have put there goes by its Go type.
func received(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case undefined:
		return "undefined"
	case string:
		return "string"
	case bool:
		return "boolean"
	case int64:
		return "number"
	case float64:
		switch {
		case math.IsNaN(v):
			return "NaN"
		case math.IsInf(v, 0):
			return "Infinity"
		}
		return "number"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	default:
		return fmt.Sprintf("%T", value)
	}
}
