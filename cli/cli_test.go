package cli_test

import (
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/cli"
	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/store"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestHelpTeaches(t *testing.T) {
	t.Parallel()
	for _, words := range []string{"", "secret", "schema", "migrate", "doctor", "sessions", "sessions prune"} {
		file := filepath.Join("testdata", "help", strings.ReplaceAll("app "+words, " ", "-")+".txt")
		file = strings.ReplaceAll(file, "-.txt", ".txt")
		t.Run(words, func(t *testing.T) {
			t.Parallel()
			args := strings.Fields(words)
			got := execute(t, cli.Program{}, append(args, "--help")...)
			got.check(t, cli.ExitOK)
			if *update {
				if err := os.WriteFile(file, []byte(got.stdout), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got.stdout != string(want) || got.stderr != "" {
				t.Errorf("the help is not what %s says (go test -update writes it):\n%s%s", file, got.stdout, got.stderr)
			}
			for _, args := range [][]string{append(args, "-h"), append([]string{"help"}, args...)} {
				if same := execute(t, cli.Program{}, args...); same != got {
					t.Errorf("%q shows something else:\n%s%s", args, same.stdout, same.stderr)
				}
			}
			for i, line := range strings.Split(got.stdout, "\n") {
				if len([]rune(line)) > 100 {
					t.Errorf("line %d is too wide for a terminal: %s", i+1, line)
				}
			}
		})
	}
}

func TestHelpInFrontOfACommandIsThatOfTheCommand(t *testing.T) {
	t.Parallel()
	want := execute(t, cli.Program{}, "migrate", "--help")
	if got := execute(t, cli.Program{}, "--help", "migrate"); got != want {
		t.Errorf("got %+v", got)
	}
}

func TestMistakesInTheCommandLine(t *testing.T) {
	t.Parallel()
	loads := cli.Program{Load: func(context.Context) (*core.Auth, error) {
		t.Error("the engine is made in spite of the mistake")
		return nil, errors.New("not wanted")
	}}
	for args, want := range map[string]string{
		"":                               "Usage: app <command>",
		"sessions":                       "Usage: app sessions prune",
		"bogus":                          `there is no command "bogus"`,
		"sessions bogus":                 `there is no command "sessions bogus"`,
		"help bogus":                     `there is no command "bogus"`,
		"--help bogus":                   "there is no command",
		"bogus --help":                   "app --help",
		"migrate now":                    "migrate takes no arguments",
		"secret --bytes 64":              "-bytes",
		"migrate --bogus":                "`app migrate --help`",
		"migrate --timeout":              "needs an argument",
		"migrate --timeout soon":         `"soon"`,
		"migrate --timeout -5s":          "it is a time such as 30s or 5m",
		"migrate --timeout=-1ns":         "it is a time such as 30s or 5m",
		"migrate --version now":          "migrate takes no arguments",
		"--version bogus":                "there is no command",
		"migrate --json":                 "--json goes with --plan",
		"migrate --plan --yes":           "--plan runs nothing",
		"schema":                         "needs one of --dialect and --json",
		"schema --json --dialect sqlite": "needs one of --dialect and --json",
		"schema --dialect oracle":        "none of postgres, sqlite, mysql, mariadb, mssql",
		"postgres://app:hunter2@db/app":  "there is no command of that name",
	} {
		got := execute(t, loads, strings.Fields(args)...)
		got.check(t, cli.ExitUsage, want)
		if strings.Contains(got.stderr, "hunter2") {
			t.Errorf("%q: a password is repeated:\n%s", args, got.stderr)
		}
		if got.stdout != "" && args != "bogus --help" {
			t.Errorf("%q writes to the standard output:\n%s", args, got.stdout)
		}
	}
}

func TestSecretIsNewRandomAndAlone(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 20 {
		got := execute(t, cli.Program{}, "secret")
		got.check(t, cli.ExitOK)
		secret, ok := strings.CutSuffix(got.stdout, "\n")
		raw, err := base64.StdEncoding.DecodeString(secret)
		if !ok || err != nil || len(raw) < 32 || seen[secret] || got.stderr != "" {
			t.Fatalf("%+v is no new secret on one line: %v", got, err)
		}
		seen[secret] = true
		// The engine takes it.
		p := on(script(), func(c *core.Config) { c.Secret = secret })
		execute(t, p, "schema", "--json").check(t, cli.ExitOK)
	}
}

func TestOwnFlagsReachLoad(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--region", "eu", "--verbose", "schema", "--json"},
		{"schema", "--region=eu", "--json", "--verbose"},
	} {
		flags := flag.NewFlagSet("", flag.ContinueOnError)
		region := flags.String("region", "", "the `region` of the database")
		verbose := flags.Bool("verbose", false, "say more")
		p := on(script())
		load, loaded := p.Load, false
		p.Flags = flags
		p.Load = func(ctx context.Context) (*core.Auth, error) {
			loaded = *region == "eu" && *verbose
			return load(ctx)
		}
		execute(t, p, args...).check(t, cli.ExitOK)
		if !loaded {
			t.Errorf("%q: the flags were not set when Load was called", args)
		}
		help := execute(t, p, "doctor", "--help")
		if !strings.Contains(help.stdout, "--region region  the region of the database") {
			t.Errorf("the help does not show them:\n%s", help.stdout)
		}
	}
}

func TestSchemaIsLoadedOffline(t *testing.T) {
	t.Parallel()
	p := cli.Program{LoadOffline: on(script()).Load, Load: func(context.Context) (*core.Auth, error) {
		return nil, fmt.Errorf("%w: which database?", cli.ErrUsage)
	}}
	execute(t, p, "schema", "--json").check(t, cli.ExitOK)
	execute(t, p, "schema", "--dialect", "mssql").check(t, cli.ExitOK)
	for _, args := range []string{"migrate", "migrate --plan", "doctor", "sessions prune"} {
		execute(t, p, strings.Fields(args)...).check(t, cli.ExitUsage, "app: which database?")
	}
}

func TestOutputThatCannotBeWrittenIsAFailure(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"secret", "--help", "migrate --help", "schema --json", "schema --dialect postgres", "doctor", "doctor --json", "migrate --plan --json"} {
		var stderr strings.Builder
		p := on(script())
		p.Name = "app"
		code := p.Run(t.Context(), strings.Fields(args), nil, full{}, &stderr)
		if code != cli.ExitFailed || !strings.Contains(stderr.String(), "no space") {
			t.Errorf("%q ends with %d and says %q", args, code, stderr.String())
		}
	}
}

// full is a full disk.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestNoPasswordIsShown(t *testing.T) {
	t.Parallel()
	leaks := []string{
		`open postgres://app:hunter2@db:5432/app?sslmode=disable: refused`,
		`open "mysql://app:hunt/er2@hunter2@db/app"`,
		`dial app:hunter2@tcp(db:3306)/app`,
		"host=db user=app password=hunter2 dbname=app",
		`host=db password = 'a hunter2 b' dbname=app`,
		`sqlserver://db?user id=sa;Password=hunter2;database=app`,
		"redis://:hunter2@cache:6379/0: no route",
		"secret=hunter2",
		"DB_PASSWORD=hunter2",
		"PGPASSWORD=hunter2 psql",
		"AUTH_SECRET=hunter2",
		"host=db sslpassword=hunter2",
		"SMTP_PASS: hunter2",
		"password: hunter2",
		"password : 'a hunter2'",
		`{"password":"a \"hunter2\" b"}`,
		`{"password": "hunter2"}`,
		`parse "{\"db_password\": \"a hunter2\"}"`,
		"settings {Host:db Password:hunter2}",
		"Server=db;Pwd={a;hunter2};Database=app",
		"password='not closed hunter2",
		`password="not closed hunter2`,
		"password=`a hunter2`",
		"client_secrets=hunter2",
		"open app:hunter2@/db",
		"open app:a hunter2@/db",
		"open app:a hunter2 b@tcp(db:3306)/app",
		"open hunter2@/db",
		"open app:hunter2@db:5432/app",
		"postgres://app:hun'ter2 or hunter2@db/app",
		`invalid value "postgres://app:a'hunter2@db/app" for flag -naming`,
		`redis://:a hunter2@cache and postgres://app:"hunter2"@db/app`,
		"app:hunter2@tcp(db)/app or postgres://db/app",
		"first line\nDB_PASSWORD=hunter2\nlast line",
	}
	for _, leak := range leaks {
		failure := fmt.Errorf("%w: %s", store.ErrUnavailable, leak)
		s := script().finds(store.Plan{Warnings: []string{leak}, Refused: []string{leak}})
		unloadable := cli.Program{Load: func(context.Context) (*core.Auth, error) { return nil, errors.New(leak) }}
		down, broken := script(), script()
		down.ping = func(context.Context) error { return failure }
		broken.plan = func(context.Context) (*store.Plan, error) { return nil, failure }
		for _, p := range []cli.Program{on(s), unloadable, on(down), on(broken)} {
			for _, args := range []string{"doctor", "doctor --json", "migrate --plan", "migrate --yes"} {
				got := execute(t, p, strings.Fields(args)...)
				if all := got.stdout + got.stderr; strings.Contains(all, "hunter2") {
					t.Errorf("%s shows a password:\n%s", args, all)
				}
			}
		}
	}
}

func TestWhatIsNoPasswordIsShown(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`Access denied for user 'app'@'localhost' (using password: YES)`,
		`password authentication failed for user "app"`,
		"dial tcp 127.0.0.1:5432: connect: connection refused",
		"user ada@example.com occurs more than once",
		"see https://example.com/help and try again",
		"12:00 is no time",
	} {
		p := cli.Program{Load: func(context.Context) (*core.Auth, error) { return nil, errors.New(text) }}
		execute(t, p, "migrate").check(t, cli.ExitFailed, "app: "+text+"\n")
		execute(t, p, "doctor").says(t, cli.ExitFailed, text+"\n")
	}
	// The host stays, and so do the lines above and below.
	p := cli.Program{Load: func(context.Context) (*core.Auth, error) {
		return nil, errors.New("one\npostgres://app:hunter2@db/app?password=hunter2\nada@example.com")
	}}
	execute(t, p, "doctor").says(t, cli.ExitFailed, "one postgres://***@db/app?password=*** ada@example.com\n")
	// What is wrong with a field whose name is that of a password.
	p = on(script(), func(c *core.Config) {
		c.Secret, c.OldSecrets, c.EmailPassword.MinLength = "short", []string{"old"}, 5000
	})
	for _, args := range []string{"doctor", "migrate"} {
		got := execute(t, p, args)
		for _, want := range []string{"Secret: is 5 bytes long", "OldSecrets[0]: is 3 bytes long", "EmailPassword: MinLength 5000"} {
			if !strings.Contains(got.stdout+got.stderr, want) {
				t.Errorf("%s does not say %q:\n%s%s", args, want, got.stdout, got.stderr)
			}
		}
	}
}

func TestFlagsThatAreTaken(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"dialect", "h", "help", "json", "plan", "timeout", "version", "yes"} {
		p := on(script())
		p.Flags = flag.NewFlagSet("", flag.ContinueOnError)
		p.Flags.String(name, "", "something else")
		for _, args := range []string{"secret", "--help", "schema --json", "doctor"} {
			execute(t, p, strings.Fields(args)...).check(t, cli.ExitFailed, "app: the program's own flag --"+name+" has a name that is taken")
		}
	}
}

func TestProgramThatMakesNoEngine(t *testing.T) {
	t.Parallel()
	nothing := func(context.Context) (*core.Auth, error) { return nil, nil }
	for want, p := range map[string]cli.Program{"the program has no Load": {}, "neither an engine nor an error": {Load: nothing}} {
		for _, args := range []string{"migrate", "migrate --plan", "sessions prune", "schema --json", "schema --dialect sqlite"} {
			execute(t, p, strings.Fields(args)...).check(t, cli.ExitFailed, want)
		}
		execute(t, p, "doctor").says(t, cli.ExitFailed, "error  configuration  There is no engine to look at: ", want)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"--version", "doctor --version", "migrate --version", "sessions --version", "sessions prune --version"} {
		got := execute(t, cli.Program{}, strings.Fields(args)...)
		got.check(t, cli.ExitOK)
		if !strings.HasPrefix(got.stdout, "ostiary ") || !strings.HasSuffix(got.stdout, " ("+runtime.Version()+")\n") {
			t.Errorf("%q prints %q", args, got.stdout)
		}
	}
}

func TestLoadExistingIsForWhatMakesNoTables(t *testing.T) {
	t.Parallel()
	p := on(script())
	p.LoadExisting = func(context.Context) (*core.Auth, error) { return nil, errors.New("there is no such database") }
	for _, args := range []string{"doctor", "sessions prune", "migrate --plan"} {
		got := execute(t, p, strings.Fields(args)...)
		got.check(t, cli.ExitFailed)
		if !strings.Contains(got.stdout+got.stderr, "there is no such database") {
			t.Errorf("%q makes a database:\n%s%s", args, got.stdout, got.stderr)
		}
	}
	for _, args := range []string{"migrate --yes", "schema --json", "secret"} {
		execute(t, p, strings.Fields(args)...).check(t, cli.ExitOK)
	}
}

func TestTheEngineIsClosed(t *testing.T) {
	t.Parallel()
	// The leak detector sees the background work of an engine that is not.
	p := on(script(), func(c *core.Config) { c.Upkeep = core.Upkeep{} })
	for _, args := range []string{"doctor", "migrate --yes", "schema --json", "sessions prune", "schema --dialect sqlite"} {
		execute(t, p, strings.Fields(args)...).check(t, cli.ExitOK)
	}
}

func TestProgramWithoutStdin(t *testing.T) {
	t.Parallel()
	p := on(script().finds(store.Plan{Statements: []string{"CREATE TABLE users ()"}}))
	executeWith(t.Context(), p, nil, "migrate").check(t, cli.ExitUsage, "pass --yes")
	executeWith(t.Context(), p, io.Reader(nil), "migrate", "--yes").check(t, cli.ExitOK)
}
