package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/cli"
	"github.com/ostiary/ostiary/internal/testenv"
)

var (
	update = flag.Bool("update", false, "write the golden files anew")
	binary string
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(withBinary(m))
}

// withBinary runs the tests with the command built.
func withBinary(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ostiary")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "ostiary")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", binary, ".")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build the command:", err)
		return 1
	}
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

type result struct {
	code           int
	stdout, stderr string
}

// ostiary runs the command, with DATABASE_URL unless url is empty.
func ostiary(t *testing.T, url string, args ...string) result {
	t.Helper()
	cmd := command(t, url, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func command(t *testing.T, url string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = []string{"HOME=" + t.TempDir()}
	if url != "" {
		cmd.Env = append(cmd.Env, "DATABASE_URL="+url)
	}
	return cmd
}

func (r result) check(t *testing.T, code int, stderr string) {
	t.Helper()
	if r.code != code || !strings.Contains(r.stderr, stderr) {
		t.Fatalf("exit code %d, want %d and %q\nstdout:\n%s\nstderr:\n%s", r.code, code, stderr, r.stdout, r.stderr)
	}
}

func TestHelpSaysWhenToUseWhich(t *testing.T) {
	t.Parallel()
	got := ostiary(t, "", "--help")
	got.check(t, cli.ExitOK, "")
	const file = "testdata/help.txt"
	if *update {
		if err := os.WriteFile(file, []byte(got.stdout), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.stdout != string(want) {
		t.Errorf("the help is not what %s says (go test -update writes it):\n%s", file, got.stdout)
	}
	if !strings.Contains(got.stdout, "github.com/ostiary/ostiary/cli") {
		t.Error("it does not name the other way")
	}
}

func TestHelpDoesNotShowTheEnvironment(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"migrate", "--help"}, {"bogus"}, {}} {
		got := ostiary(t, "postgres://app:hunter2@db/app", args...)
		if strings.Contains(got.stdout+got.stderr, "hunter2") {
			t.Errorf("%q shows the password of DATABASE_URL:\n%s%s", args, got.stdout, got.stderr)
		}
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, url string) {
		if file, ok := strings.CutPrefix(url, "sqlite:"); ok {
			if err := os.WriteFile(file, nil, 0o600); err != nil { // an empty database
				t.Fatal(err)
			}
		}
		ostiary(t, url, "doctor").check(t, cli.ExitFailed, "1 error")
		ostiary(t, url, "migrate", "--plan").check(t, cli.ExitPending, "to run.")
		ostiary(t, url, "migrate").check(t, cli.ExitUsage, "pass --yes")
		ostiary(t, "", "migrate", "--yes", "--url", url).check(t, cli.ExitOK, "Done in ")
		ostiary(t, url, "migrate", "--plan").check(t, cli.ExitOK, "Nothing to do")
		ostiary(t, url, "doctor").check(t, cli.ExitOK, "0 errors, 0 warnings.")
		ostiary(t, url, "sessions", "prune").check(t, cli.ExitOK, "")
		// The same tables under other names are other tables.
		ostiary(t, url, "--naming", "better-auth", "--prefix", "other_", "migrate", "--plan").check(t, cli.ExitPending, "to run.")
	})
}

func everywhere(t *testing.T, run func(t *testing.T, url string)) {
	for name, url := range map[string]func(testing.TB) string{
		"sqlite":   func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "app.db") },
		"postgres": testenv.Postgres,
		"mariadb":  testenv.MySQL,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, url(t))
		})
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"migrate --plan":                            "set DATABASE_URL or pass --url",
		"doctor":                                    "set DATABASE_URL or pass --url",
		"doctor --naming camel":                     "it is default or better-auth",
		"schema --json --ids ulid":                  "it is random, uuid, uuidv7, database-uuid or serial",
		"schema --dialect oracle":                   "none of postgres",
		"migrate --plan postgres://a:hunter2@db/ap": "takes no arguments",
	} {
		got := ostiary(t, "", strings.Fields(args)...)
		got.check(t, cli.ExitUsage, want)
		if strings.Contains(got.stderr, "hunter2") {
			t.Errorf("%q: a password is repeated:\n%s", args, got.stderr)
		}
	}
	for _, url := range []string{"oracle://app:hunter2@db/app", "postgres://app:hunter2@127.0.0.1:1/app", "mysql://app:hunter2@127.0.0.1:1/app", "sqlite:/no/such/folder/hunter2.db"} {
		got := ostiary(t, url, "doctor")
		if got.code != cli.ExitFailed || strings.Contains(got.stdout+got.stderr, ":hunter2") {
			t.Errorf("doctor on %q: %+v", url, got)
		}
	}
}

func TestConfigurationByFlags(t *testing.T) {
	t.Parallel()
	type schema struct {
		IDs struct {
			Kind       string
			ByDatabase bool
		}
		Schema string
		Tables []struct{ DBName string }
	}
	for args, want := range map[string]string{
		"":                                     "{{text false}  [{users} {sessions} {accounts} {verifications}]}",
		"--naming default --ids random":        "{{text false}  [{users} {sessions} {accounts} {verifications}]}",
		"--naming better-auth --ids uuid":      "{{uuid false}  [{user} {session} {account} {verification}]}",
		"--prefix auth_ --ids uuidv7":          "{{uuid false}  [{auth_users} {auth_sessions} {auth_accounts} {auth_verifications}]}",
		"--schema auth --ids database-uuid":    "{{uuid true} auth [{users} {sessions} {accounts} {verifications}]}",
		"--naming better-auth --prefix a_":     "{{text false}  [{a_user} {a_session} {a_account} {a_verification}]}",
		"--ids serial --url sqlite:/not/asked": "{{serial true}  [{users} {sessions} {accounts} {verifications}]}",
	} {
		got := ostiary(t, "", append(strings.Fields(args), "schema", "--json")...)
		got.check(t, cli.ExitOK, "")
		var s schema
		if err := json.Unmarshal([]byte(got.stdout), &s); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(s) != want {
			t.Errorf("%q gives %v, want %s", args, s, want)
		}
	}
}

func TestOnlyMigrateMakesAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	url := "sqlite:" + filepath.Join(dir, "misspelt.db")
	for _, args := range []string{"doctor", "doctor --json", "migrate --plan", "sessions prune", "schema --json"} {
		got := ostiary(t, url, strings.Fields(args)...)
		if args != "schema --json" && (got.code != cli.ExitFailed || !strings.Contains(got.stdout+got.stderr, "there is no file ")) {
			t.Errorf("%q: %+v", args, got)
		}
		if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
			t.Fatalf("%q has made %v (%v)", args, files, err)
		}
	}
	ostiary(t, url, "migrate", "--yes").check(t, cli.ExitOK, "Done in ")
	ostiary(t, url, "doctor").check(t, cli.ExitOK, "0 errors")
	for _, url := range []string{"sqlite::memory:", "sqlite:", "sqlite:app.db?mode=ro", "sqlite://host/app.db"} {
		if got := ostiary(t, url, "doctor"); strings.Contains(got.stdout+got.stderr, "there is no file") && !strings.Contains(url, "host") {
			t.Errorf("doctor on %s: %+v", url, got)
		}
	}
}

func TestDoctorReportsADatabaseThatIsNoneAsJSON(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "app.db")
	if err := os.WriteFile(file, []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{"sqlite:" + file, "oracle://app:hunter2@db/app", "postgres://app:hunter2@db:port/app"} {
		got := ostiary(t, url, "doctor", "--json")
		got.check(t, cli.ExitFailed, "")
		var report struct {
			Errors   int
			Findings []struct{ Severity, Message string }
		}
		if err := json.Unmarshal([]byte(got.stdout), &report); err != nil || report.Errors != 1 || len(report.Findings) != 1 || report.Findings[0].Severity != "error" {
			t.Errorf("doctor --json on %q: %v\n%s", url, err, got.stdout)
		}
	}
}

// Whatever is wrong with ids that the columns cannot keep, nobody can sign up.
func TestIDsThatTheDatabaseCannotKeepAreAnError(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, url string) {
		ostiary(t, url, "migrate", "--yes").check(t, cli.ExitOK, "Done in ")
		ostiary(t, url, "doctor", "--ids", "serial").check(t, cli.ExitFailed, "errors, ")
		ostiary(t, url, "migrate", "--ids", "serial", "--yes").check(t, cli.ExitRefused, "cannot keep serial ids")
		ostiary(t, url, "migrate", "--ids", "uuid", "--plan").check(t, cli.ExitOK, "Nothing to do")
	})
}

func TestPasswordsInFlagsAreNotRepeated(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"--naming", "--ids", "--timeout"} {
		got := ostiary(t, "", "doctor", flag, "postgres://app:hun'ter2@db/app")
		got.check(t, cli.ExitUsage, flag[1:])
		if strings.Contains(got.stderr, "ter2") {
			t.Errorf("%s shows a password:\n%s", flag, got.stderr)
		}
	}
}

func TestTheDatabaseIsClosed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "app.db")
	ostiary(t, "sqlite:"+file, "migrate", "--yes").check(t, cli.ExitOK, "Done")
	// Whoever closes a database last takes its log away.
	if _, err := os.Stat(file + "-wal"); !os.IsNotExist(err) {
		t.Errorf("the log is still there: %v", err)
	}
}

func TestInterruptEndsItWhileTheDatabaseIsSilent(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"postgres", "mysql"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer silent.Close()
			cmd := command(t, scheme+"://app:hunter2@"+silent.Addr().String()+"/app", "migrate", "--yes")
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			// It waits for an answer now.
			conn, err := silent.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			start := time.Now()
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != cli.ExitFailed || !strings.Contains(stderr.String(), "interrupted") || strings.Contains(stderr.String(), "hunter2") {
				t.Errorf("exit code %d:\n%s", code, stderr.String())
			}
			// Well before the time-out for connecting, which is 5 s.
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("it took %v to end", took)
			}
		})
	}
}
