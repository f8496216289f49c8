package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	framework "github.com/urfave/cli/v3"
)

// command is one command, or the name in front of several.
type command struct {
	name    string // as it is typed, without the program's name: "sessions prune"
	usage   string // the arguments: "[--plan] [--yes]"
	summary string // one line for the list of commands
	about   string // what it does; {app} stands for the program's name
	// examples are pairs of what it is for and the arguments.
	examples [][2]string
	flags    *flag.FlagSet
	within   []*command
	do       func(ctx context.Context) error // nil for one with commands within
}

func newFlags() *flag.FlagSet {
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	return fs
}

// commands describes everything that the program can do.
func (r *run) commands() *command {
	root := &command{
		usage:   "<command> [flags]",
		about:   r.program.About,
		flags:   newFlags(),
		within:  []*command{r.secret(), r.schema(), r.migrate(), r.doctor(), r.sessions()},
		summary: "the root",
	}
	if root.about == "" {
		root.about = aboutOwn
	}
	root.examples = [][2]string{
		{"a first look: what is there, what is missing, what to do about it", "doctor"},
		{"see what a migration would do, then do it", "migrate --plan"},
		{"", "migrate"},
	}
	root.flags.Func("timeout", "give up after this `time`, such as 30s or 5m; without it there is no limit", r.setTimeout)
	root.flags.BoolVar(&r.version, "version", false, "print the version of Ostiary")
	return root
}

func (r *run) setTimeout(s string) (err error) {
	r.timeout, err = time.ParseDuration(s)
	if err != nil || r.timeout < 0 {
		return errors.New("it is a time such as 30s or 5m")
	}
	return nil
}

const aboutOwn = `Looks after the database of Ostiary, which signs this application's users in. It
knows the application's own configuration: plugins, fields, names and ids.`

// parse finds the command that args name and runs it.
func (r *run) parse(ctx context.Context, args []string) error {
	root := r.commands()
	if err := root.conflict(r.program.Flags); err != nil {
		return err
	}
	all := &program{run: r, root: root}
	top := all.translate(root)
	// Every command below takes these as well.
	top.Flags = append(top.Flags, frameworkFlags(r.program.Flags)...)
	top.Flags = append(top.Flags, &framework.BoolFlag{Name: "help", Aliases: []string{"h"}, Destination: &all.help})
	top.Commands = append(top.Commands, &framework.Command{
		Name: "help", OnUsageError: top.OnUsageError,
		Action: func(_ context.Context, c *framework.Command) error { return all.explain(c.Args().Slice()) },
	})
	err := top.Run(ctx, append([]string{r.program.Name}, args...))
	if noTopic := framework.ExitCoder(nil); errors.As(err, &noTopic) {
		return &usageError{command: r.program.Name, problem: "there is no command of that name"}
	}
	return err
}

// conflict is an error if one of the program's own flags has the name of one of
// the commands', which would hide it or be hidden.
func (c *command) conflict(own *flag.FlagSet) error {
	if own == nil {
		return nil
	}
	taken := append(c.flagNames(), "help", "h")
	var err error
	own.VisitAll(func(f *flag.Flag) {
		if slices.Contains(taken, f.Name) {
			err = fmt.Errorf("the program's own flag --%s has a name that is taken by the commands", f.Name)
		}
	})
	return err
}

// flagNames are the flags of the command and of those within.
func (c *command) flagNames() (names []string) {
	c.flags.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	for _, w := range c.within {
		names = append(names, w.flagNames()...)
	}
	return names
}

// program joins the commands with the framework that parses their arguments.
type program struct {
	run  *run
	root *command
	help bool // it was asked for
}

func (p *program) translate(c *command) *framework.Command {
	wrong := func(problem string) error {
		return &usageError{command: strings.TrimSpace(p.run.program.Name + " " + c.name), problem: problem}
	}
	words := strings.Fields(c.name)
	t := &framework.Command{
		// What the framework shows and decides by itself is switched off: only
		// main ends the process, and the help is ours. It still prints that
		// where --help stands in front of a command.
		HideHelp:                      true,
		HideVersion:                   true,
		Writer:                        p.run.out,
		ErrWriter:                     io.Discard,
		ExitErrHandler:                func(context.Context, *framework.Command, error) {},
		Description:                   p.run.help(p.root, c),
		CustomHelpTemplate:            "{{.Description}}",
		CustomRootCommandHelpTemplate: "{{.Description}}",
		OnUsageError: func(_ context.Context, _ *framework.Command, err error, _ bool) error {
			return wrong(err.Error())
		},
		Flags: frameworkFlags(c.flags),
		Action: func(ctx context.Context, f *framework.Command) error {
			switch {
			case p.help:
				_, err := io.WriteString(p.run.out, f.Description)
				return err
			case p.run.version && !f.Args().Present():
				p.run.printf("%s", version())
				return nil
			case c.do == nil && !f.Args().Present():
				fmt.Fprint(p.run.err, f.Description)
				return &exitError{code: ExitUsage}
			case c.do == nil:
				return wrong("there is no command " + quoted(c.name, f.Args().First()))
			case f.Args().Present():
				return wrong(c.name + " takes no arguments besides its flags")
			}
			return p.run.limited(ctx, c.do)
		},
	}
	if len(words) > 0 {
		t.Name = words[len(words)-1]
	}
	for _, w := range c.within {
		t.Commands = append(t.Commands, p.translate(w))
	}
	return t
}

// explain shows the help of the command that the words name.
func (p *program) explain(words []string) error {
	c := p.root
	for _, word := range words {
		next := c.find(strings.TrimSpace(c.name + " " + word))
		if next == nil {
			return &usageError{command: p.run.program.Name, problem: "there is no command " + quoted(c.name, word)}
		}
		c = next
	}
	_, err := io.WriteString(p.run.out, p.run.help(p.root, c))
	return err
}

func (c *command) find(name string) *command {
	for _, w := range c.within {
		if w.name == name {
			return w
		}
	}
	return nil
}

// quoted is a word that is no command. Only what could be one is repeated: it
// may be a URL with a password in it.
func quoted(before, word string) string {
	if strings.ContainsFunc(word, func(c rune) bool { return (c < 'a' || c > 'z') && c != '-' }) {
		return "of that name"
	}
	return `"` + strings.TrimSpace(before+" "+word) + `"`
}

// frameworkFlags makes the framework's flags of the standard library's.
func frameworkFlags(flags *flag.FlagSet) []framework.Flag {
	if flags == nil {
		return nil
	}
	var all []framework.Flag
	flags.VisitAll(func(f *flag.Flag) {
		all = append(all, &framework.GenericFlag{Name: f.Name, Value: value{f.Value}})
	})
	return all
}

// value is a flag's value as the framework wants it.
type value struct{ flag.Value }

func (v value) Get() any { return v.String() }

func (v value) IsBoolFlag() bool {
	b, ok := v.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}
