package cli

import (
	"regexp"
	"strings"
)

var (
	// dsns are a user and a password without a scheme before them. The first two are
	// what the driver of MySQL takes, where the password may hold anything.
	dsns = []*regexp.Regexp{
		regexp.MustCompile(`[^\s:@]+:\S.*@(\w*[(/])`),
		regexp.MustCompile(`\S+@(\w*[(/])`),
		regexp.MustCompile(`[^\s:@]+:\S*@()`),
	}
	// setting is a password by its name: in a DSN, the environment, JSON or YAML.
	// A value that is not quoted ends with a blank, one whose quote is not closed
	// with the line. The quotes may themselves be part of a quoted text.
	setting = regexp.MustCompile(`(?i)([\w.-]*(?:password|passwd|passphrase|pass|pwd|secret)s?(?:\\?["'` + "`" + `])?\s*[:=]\s*)` +
		`(\\".*?\\"|"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.|'')*'?|` + "`[^`]*`?" + `|\{[^}]*\}?|\S+)`)
	// field is the beginning of what is wrong with a configuration.
	field = regexp.MustCompile(`^\s*[A-Z][\w.]*(\[\d+\])?: `)
)

// redact takes the passwords out of a text: those in URLs and in the DSNs of
// drivers, and those that stand after their names. Where it is not clear how far
// a password goes, more is taken out rather than less.
func redact(text string) string { return eachLine(text, redactLine) }

// redactProblems is redact for the problems of a configuration, which begin with
// the names of its fields: what follows "Secret" is no secret there.
func redactProblems(text string) string {
	return eachLine(text, func(line string) string {
		name := field.FindString(line)
		return name + redactLine(line[len(name):])
	})
}

func eachLine(text string, redact func(string) string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = redact(line)
	}
	return strings.Join(lines, "\n")
}

func redactLine(line string) string {
	before, url, found := strings.Cut(line, "://")
	for _, dsn := range dsns {
		before = dsn.ReplaceAllString(before, "***@$1")
	}
	line = before
	if found {
		// Up to the last @: a password that was not encoded may hold one, and
		// blanks and quotes.
		if at := strings.LastIndexByte(url, '@'); at >= 0 {
			url = "***" + url[at:]
		}
		line += "://" + url
	}
	return setting.ReplaceAllStringFunc(line, func(found string) string {
		parts := setting.FindStringSubmatch(found)
		// What MySQL says of a refused password, "using password: YES".
		if value := parts[2]; value == "YES)" || value == "NO)" {
			return found
		}
		return parts[1] + "***"
	})
}
