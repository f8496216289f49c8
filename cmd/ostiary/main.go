// Command ostiary looks after a database of Ostiary: it makes secrets, shows
// and migrates the schema, examines a database and deletes what has expired.
//
//	go run github.com/ostiary/ostiary/cmd/ostiary@latest --help
//
// Its configuration is made of flags and the environment, so it knows the core
// tables and nothing of plugins and additional fields. An application that has
// some puts the same commands into a program of its own, with package cli.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ostiary/ostiary/cli"
	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
	"github.com/ostiary/ostiary/store/memory"
)

const about = `Looks after a database of Ostiary, which signs an application's users in. It
knows the core tables only: use it for an application without plugins and
additional fields. Any other puts the same commands into a program of its own,
in which they see its whole configuration; that is one line with the package
github.com/ostiary/ostiary/cli.`

func main() {
	s := newSettings()
	code := s.program().Main()
	if err := s.close(); err != nil && code == cli.ExitOK {
		fmt.Fprintln(os.Stderr, "ostiary: close the database:", err)
		code = cli.ExitFailed
	}
	os.Exit(code)
}

// settings is a configuration made of flags and the environment.
type settings struct {
	flags  *flag.FlagSet
	url    string
	naming store.Naming
	prefix string
	schema string
	ids    store.IDs

	opened *bunstore.Store
}

func newSettings() *settings {
	s := &settings{flags: flag.NewFlagSet("ostiary", flag.ContinueOnError)}
	s.flags.SetOutput(io.Discard)
	s.flags.StringVar(&s.url, "url", "", "the database, by `URL`: postgres://…, mysql://…, sqlserver://…, sqlite:file;\nwithout it, what DATABASE_URL says, which keeps passwords out of the process list")
	s.flags.Func("naming", "names of tables and columns, by `style`: default (users, email_verified) or\nbetter-auth (user, emailVerified)", s.setNaming)
	s.flags.StringVar(&s.prefix, "prefix", "", "`text` in front of every table's name, such as auth_")
	s.flags.StringVar(&s.schema, "schema", "", "`name` of the schema (PostgreSQL, SQL Server) or database (MySQL) of the tables")
	s.flags.Func("ids", "`kind` of ids: random (the default), uuid, uuidv7, database-uuid or serial", s.setIDs)
	return s
}

func (s *settings) program() cli.Program {
	return cli.Program{Name: "ostiary", About: about, Load: s.load, LoadExisting: s.loadExisting, LoadOffline: s.loadOffline, Flags: s.flags}
}

func (s *settings) setNaming(style string) error {
	switch style {
	case "default":
		s.naming = store.SnakePlural()
	case "better-auth":
		s.naming = store.BetterAuth()
	default:
		return errors.New("it is default or better-auth")
	}
	return nil
}

func (s *settings) setIDs(kind string) error {
	switch kind {
	case "random":
		s.ids = store.RandomIDs()
	case "uuid":
		s.ids = store.UUIDv4()
	case "uuidv7":
		s.ids = store.UUIDv7()
	case "database-uuid":
		s.ids = store.DatabaseUUIDs()
	case "serial":
		s.ids = store.SerialIDs()
	default:
		return errors.New("it is random, uuid, uuidv7, database-uuid or serial")
	}
	return nil
}

func (s *settings) load(context.Context) (*core.Auth, error) {
	url := s.database()
	if url == "" {
		return nil, fmt.Errorf("%w: set DATABASE_URL or pass --url, to say where the database is", cli.ErrUsage)
	}
	opened, err := bunstore.Open(url)
	if err != nil {
		return nil, err
	}
	s.opened = opened
	return s.engine(opened)
}

// loadExisting makes no file of SQLite: a name that was mistyped would be that of
// an empty database then.
func (s *settings) loadExisting(ctx context.Context) (*core.Auth, error) {
	file, ok := strings.CutPrefix(s.database(), "sqlite:")
	if ok && file != "" && file != ":memory:" && !strings.ContainsAny(file, "?#") {
		if _, err := os.Stat(filepath.Clean(file)); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no file %q: `ostiary migrate` makes it, if the name is right", file)
		}
	}
	return s.load(ctx)
}

// database is the URL of the database, or "".
func (s *settings) database() string { return cmp.Or(s.url, os.Getenv("DATABASE_URL")) }

func (s *settings) loadOffline(context.Context) (*core.Auth, error) { return s.engine(memory.New()) }

// engine makes an engine that looks after tables and serves nobody.
func (s *settings) engine(db store.Store) (*core.Auth, error) {
	naming := s.naming
	naming.Prefix, naming.Schema = s.prefix, s.schema
	return core.New(core.Config{
		Secret:  rand.Text() + rand.Text(), // nothing is signed
		BaseURL: "http://localhost",
		Store:   db,
		Naming:  naming,
		IDs:     s.ids,
		Upkeep:  core.Upkeep{Disabled: true},
	})
}

// close closes the database, if one was opened.
func (s *settings) close() error {
	if s.opened == nil {
		return nil
	}
	return s.opened.Close()
}
