package cli

import "regexp"

// secrets are the places in which passwords stand in the errors of drivers, and
// in those of an application that quotes its settings.
var secrets = []struct {
	pattern *regexp.Regexp
	instead string
}{
	// Everything up to the last @: a password that was not encoded may hold one.
	{regexp.MustCompile("([a-zA-Z][a-zA-Z0-9+.-]*://)[^\\s\"'`<>]*@"), "$1***@"},
	{regexp.MustCompile("[^\\s\"'`<>]+@(tcp|tcp4|tcp6|unix)\\("), "***@$1("},
	{regexp.MustCompile(`(?i)\b(password|passwd|pwd|secret)(\s*=\s*)('[^']*'|"[^"]*"|[^\s;&'"` + "`" + `]+)`), "$1$2***"},
}

// redact takes the passwords out of a text.
func redact(text string) string {
	for _, s := range secrets {
		text = s.pattern.ReplaceAllString(text, s.instead)
	}
	return text
}
