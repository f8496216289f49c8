package input

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

var (
	errTooManyPairs = fmt.Errorf("more than %d pairs", maxPairs)
	errEscape       = errors.New("broken percent-encoding")
	errUTF8         = errors.New("text is not UTF-8")
)

// ParseForm reads a body of the type application/x-www-form-urlencoded. Values
// are strings; those of a name that is repeated become a []any. At most 1,000
// pairs, of valid percent-encoding and UTF-8, are taken. As browsers write it,
// only "&" separates pairs. Errors wrap [ErrSyntax]. Without one, the map is
// never nil.
func ParseForm(data []byte) (map[string]any, error) {
	members, err := parsePairs(string(data))
	if err != nil {
		return nil, err
	}
	if members == nil {
		members = map[string]any{}
	}
	return members, nil
}

// ParseQuery reads the query of a URL, without its question mark, as
// [ParseForm] reads a form. The map of an empty query is nil.
func ParseQuery(raw string) (map[string]any, error) {
	return parsePairs(raw)
}

func parsePairs(raw string) (map[string]any, error) {
	var members map[string]any
	pairs := 0
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		if pairs++; pairs > maxPairs {
			return nil, fmt.Errorf("%w: %w", ErrSyntax, errTooManyPairs)
		}
		escapedName, escapedValue, _ := strings.Cut(pair, "=")
		name, err := unescape(escapedName)
		if err != nil {
			return nil, err
		}
		value, err := unescape(escapedValue)
		if err != nil {
			return nil, err
		}
		if members == nil {
			members = make(map[string]any)
		}
		addMember(members, name, value)
	}
	return members, nil
}

func unescape(s string) (string, error) {
	text, err := url.QueryUnescape(s)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrSyntax, errEscape)
	}
	if !utf8.ValidString(text) {
		return "", fmt.Errorf("%w: %w", ErrSyntax, errUTF8)
	}
	return text, nil
}

func addMember(members map[string]any, name, value string) {
	switch earlier := members[name].(type) {
	case nil:
		members[name] = value
	case []any:
		members[name] = append(earlier, value)
	default:
		members[name] = []any{earlier, value}
	}
}
