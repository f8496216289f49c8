// Package archtest checks what no compiler does: which package may know which.
package archtest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/ostiary/ostiary"
	root   = "../.."
	// maxAdapterLines keeps adapters what they are: they translate and decide
	// nothing.
	maxAdapterLines = 300
)

// layers are the packages from the bottom up. A package may need those of its
// own layer and of the layers above it in this list. An entry that ends with a
// slash is for a folder and every package below it that no other entry names.
var layers = [][]string{
	{"store"},
	{"secondary"},
	{"ratelimit"},
	{"store/", "secondary/"}, // implementations of the contracts, and their suites
	{"core"},
	{"plugins/", "cli"},
	{"echoauth", "ginauth", "echo5auth", "httpauth"},
	{"cmd/", "examples/", "conformance/", "bench/"},
}

// engine are the packages that an application gets whatever it is built with.
var engine = []string{"store", "store/memory", "secondary", "ratelimit", "core", "plugins/"}

// outside is what the engine leaves to others: web frameworks, databases and
// their drivers, Redis.
var outside = []string{
	"database/sql",
	"github.com/gin-gonic/",
	"github.com/go-chi/",
	"github.com/go-sql-driver/",
	"github.com/jackc/",
	"github.com/labstack/",
	"github.com/lib/pq",
	"github.com/mattn/go-sqlite3",
	"github.com/microsoft/go-mssqldb",
	"github.com/redis/",
	"github.com/uptrace/",
	"go.mongodb.org/",
	"modernc.org/",
}

func TestEngineKnowsNoFrameworkAndNoDatabase(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, p := range packages(t) {
		if !slices.ContainsFunc(engine, func(entry string) bool { return matches(entry, p.name) }) {
			continue
		}
		seen++
		for _, dep := range p.Deps {
			// Types of values without any code that talks to a database: a UUID
			// can be one.
			if dep == "database/sql/driver" {
				continue
			}
			if slices.ContainsFunc(outside, func(prefix string) bool { return strings.HasPrefix(dep, prefix) }) {
				t.Errorf("%s depends on %s", p.name, dep)
			}
		}
	}
	if seen < 5 {
		t.Errorf("only %d packages of the engine were found", seen)
	}
}

func TestDependenciesPointOneWay(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if strings.HasPrefix(p.name, "internal/") {
			continue // part of whoever imports it, who is checked with all it needs
		}
		own := layer(p.name)
		if own < 0 {
			t.Errorf("%s has no layer: add it to the list in this test", p.name)
			continue
		}
		for _, dep := range p.Deps {
			name, ours := strings.CutPrefix(dep, module+"/")
			if ours && layer(name) > own {
				t.Errorf("%s depends on %s, which is above it", p.name, name)
			}
		}
	}
}

func TestOnlyTestsImportWhatIsForTests(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if forTests(p.name) {
			continue
		}
		for _, imported := range p.Imports {
			name, ours := strings.CutPrefix(imported, module+"/")
			if ours && forTests(name) {
				t.Errorf("%s imports %s outside of its tests", p.name, name)
			}
		}
	}
}

func TestAdaptersAreThin(t *testing.T) {
	t.Parallel()
	adapters := layers[len(layers)-2]
	seen := 0
	for _, p := range packages(t) {
		if !slices.Contains(adapters, p.name) {
			continue
		}
		seen++
		lines := 0
		for _, file := range p.GoFiles {
			text, err := os.ReadFile(filepath.Join(p.Dir, file))
			if err != nil {
				t.Fatal(err)
			}
			lines += bytes.Count(text, []byte("\n"))
		}
		if lines >= maxAdapterLines {
			t.Errorf("%s has %d lines, want less than %d", p.name, lines, maxAdapterLines)
		}
	}
	if seen < 2 {
		t.Errorf("only %d adapters were found", seen)
	}
}

func TestEntryMatchesPackagesBelowIt(t *testing.T) {
	t.Parallel()
	tests := map[string]int{
		"store": 0, "store/bun": 3, "secondary": 1, "secondary/redis": 3, "core": 4, "plugins/admin": 5, "ginauth": 6,
		"cmd/ostiary": 7, "examples/echo": 7, "conformance": 7, "storefront": -1, "conform": -1,
	}
	for name, want := range tests {
		if got := layer(name); got != want {
			t.Errorf("layer(%q) = %d, want %d", name, got, want)
		}
	}
}

// forTests reports whether only tests, and packages like it, may import the
// package.
func forTests(name string) bool {
	return strings.HasSuffix(name, "test") || name == "internal/testenv" || name == "internal/browser" || name == "internal/testclock"
}

// pkg is what go list says of a package, without its tests.
type pkg struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
	Deps       []string // of all packages it needs

	name string // the import path within the module
}

func packages(t *testing.T) []pkg {
	t.Helper()
	watchSources(t)
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,GoFiles,Imports,Deps", "./...")
	cmd.Dir = root
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("output of go list: %v", err)
		}
		p.name = strings.TrimPrefix(p.ImportPath, module+"/")
		all = append(all, p)
	}
}

// watchSources looks at every source file, which is how go test knows that a
// cached result of this test is out of date. It does not see what go list reads.
func watchSources(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git"):
			return filepath.SkipDir
		case filepath.Ext(path) != ".go":
			return nil
		}
		_, err = os.Stat(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// layer returns the index in [layers] of the package, or -1.
func layer(name string) int {
	for _, exact := range []bool{true, false} {
		for i, entries := range layers {
			if slices.ContainsFunc(entries, func(entry string) bool {
				return exact == (entry == name) && matches(entry, name)
			}) {
				return i
			}
		}
	}
	return -1
}

// matches reports whether the entry names the package or a folder it is in.
func matches(entry, name string) bool {
	return entry == name || strings.HasSuffix(entry, "/") && strings.HasPrefix(name+"/", entry)
}
