package store

import "strings"

// snake turns camelCase into snake_case: "emailVerified" to "email_verified",
// "userID" to "user_id".
func snake(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if !isUpper(c) {
			b.WriteByte(c)
			continue
		}
		startsWord := i > 0 && s[i-1] != '_' &&
			(!isUpper(s[i-1]) || (i+1 < len(s) && s[i+1] >= 'a' && s[i+1] <= 'z'))
		if startsWord {
			b.WriteByte('_')
		}
		b.WriteByte(c + 'a' - 'A')
	}
	return b.String()
}

// plural is the English plural of a name's last word, as far as names of
// tables need it.
func plural(s string) string {
	switch {
	case s == "", s == "jwks", strings.HasSuffix(s, "_jwks"): // already more than one
		return s
	case strings.HasSuffix(s, "s"), strings.HasSuffix(s, "x"), strings.HasSuffix(s, "ch"), strings.HasSuffix(s, "sh"):
		return s + "es"
	case strings.HasSuffix(s, "y") && len(s) > 1 && !strings.ContainsRune("aeiou", rune(s[len(s)-2])):
		return s[:len(s)-1] + "ies"
	}
	return s + "s"
}

// foldName is the form in which two names are the same to a database that
// ignores case.
func foldName(s string) string { return strings.ToLower(s) }

func joinName(field, table string) string {
	if name, ok := strings.CutSuffix(field, "Id"); ok && name != "" {
		return name
	}
	return table
}

func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }
