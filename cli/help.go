package cli

import (
	"flag"
	"fmt"
	"strings"
)

// help is what there is to know of a command.
func (r *run) help(root, c *command) string {
	var b strings.Builder
	full := strings.TrimSpace(r.program.Name + " " + c.name)
	fmt.Fprintf(&b, "Usage: %s\n\n", strings.TrimSpace(full+" "+c.usage))
	b.WriteString(strings.TrimSpace(strings.ReplaceAll(c.about, "{app}", r.program.Name)) + "\n")

	if len(c.within) > 0 {
		b.WriteString("\nCommands:\n")
		var rows [][2]string
		for _, w := range c.leaves() {
			rows = append(rows, [2]string{w.name, w.summary})
		}
		columns(&b, rows)
	}
	if c != root {
		flagTable(&b, "Flags", c.flags)
	}
	flagTable(&b, "Configuration", r.program.Flags)
	b.WriteString("\nFlags of every command:\n")
	columns(&b, append(flagRows(root.flags), [2]string{"--help, -h", "explain the command"}))

	if len(c.examples) > 0 {
		b.WriteString("\nExamples:\n")
	}
	for i, e := range c.examples {
		if e[0] != "" {
			if i > 0 {
				b.WriteByte('\n')
			}
			b.WriteString("  # " + e[0] + "\n")
		}
		b.WriteString("  " + strings.ReplaceAll("{app} "+e[1], "{app}", r.program.Name) + "\n")
	}
	if c == root {
		fmt.Fprintf(&b, "\n`%s <command> --help` explains a command.\n", r.program.Name)
	}
	return b.String()
}

// leaves are the commands that do something.
func (c *command) leaves() []*command {
	if c.do != nil {
		return []*command{c}
	}
	var all []*command
	for _, w := range c.within {
		all = append(all, w.leaves()...)
	}
	return all
}

func flagTable(b *strings.Builder, title string, flags *flag.FlagSet) {
	if rows := flagRows(flags); len(rows) > 0 {
		b.WriteString("\n" + title + ":\n")
		columns(b, rows)
	}
}

func flagRows(flags *flag.FlagSet) (rows [][2]string) {
	if flags == nil {
		return nil
	}
	flags.VisitAll(func(f *flag.Flag) {
		argument, usage := flag.UnquoteUsage(f)
		rows = append(rows, [2]string{strings.TrimSpace("--" + f.Name + " " + argument), usage})
	})
	return rows
}

// columns writes rows of two columns. Further lines of the second one stand
// below its first.
func columns(b *strings.Builder, rows [][2]string) {
	width := 0
	for _, row := range rows {
		width = max(width, len(row[0]))
	}
	for _, row := range rows {
		for i, line := range strings.Split(row[1], "\n") {
			left := row[0]
			if i > 0 {
				left = ""
			}
			fmt.Fprintf(b, "  %-*s  %s\n", width, left, line)
		}
	}
}
