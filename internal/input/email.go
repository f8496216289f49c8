package input

import "strings"

// Lengths of an e-mail address, in bytes: RFC 5321, sections 4.5.3.1.1 and
// 4.5.3.1.3, the latter less the angle brackets around a path.
const (
	maxEmail     = 254
	maxLocalPart = 64
)

// ValidEmail reports whether s is an e-mail address in the narrow form that
// the wire protocol takes. All of it is ASCII. The part before the @ is made
// of letters, digits and _ ' + - in groups separated by single dots, does not
// end with an apostrophe and has at most 64 characters. The domain has at
// least two labels of letters, digits and hyphens that do not start with a
// hyphen; the last is two letters or more. In all, 254 characters at most.
//
// Quoted local parts, addresses in brackets and surrounding blanks are not
// taken; internationalized domains are in their punycode form, unless their
// last label is.
func ValidEmail(s string) bool {
	if len(s) > maxEmail {
		return false
	}
	local, domain, found := strings.Cut(s, "@")
	return found && validLocalPart(local) && validDomain(domain)
}

func validLocalPart(s string) bool {
	if s == "" || len(s) > maxLocalPart {
		return false
	}
	previous := byte('.')
	for i := range len(s) {
		c := s[i]
		if c == '.' && previous == '.' {
			return false
		}
		if c != '.' && !isAlphanumeric(c) && c != '_' && c != '\'' && c != '+' && c != '-' {
			return false
		}
		previous = c
	}
	return previous != '.' && previous != '\''
}

func validDomain(s string) bool {
	lastDot := strings.LastIndexByte(s, '.')
	if lastDot < 0 {
		return false
	}
	return validLabels(s[:lastDot]) && validTopLevel(s[lastDot+1:])
}

func validLabels(s string) bool {
	previous := byte('.')
	for i := range len(s) {
		c := s[i]
		switch {
		case isAlphanumeric(c):
		case previous != '.' && (c == '.' || c == '-'):
		default:
			return false
		}
		previous = c
	}
	return previous != '.'
}

func validTopLevel(s string) bool {
	for i := range len(s) {
		if !isLetter(s[i]) {
			return false
		}
	}
	return len(s) >= 2
}

func isAlphanumeric(c byte) bool { return isLetter(c) || '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
