package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
)

// dialects are the databases that bunstore writes SQL for.
const dialects = "postgres, sqlite, mysql, mariadb, mssql"

func (r *run) schema() *command {
	var (
		dialect string
		asJSON  bool
	)
	c := &command{
		name:    "schema",
		usage:   "--dialect NAME | --json",
		summary: "print the tables, as SQL or as JSON",
		about: `
Prints what the configuration asks of a database: the statements that make all
tables in an empty one, or the description of the tables that they are made
from, as JSON for other programs. It asks nothing of the database: one that
exists already is shown and changed by {app} migrate.`,
		examples: [][2]string{
			{"the tables for those who run their own migrations", "schema --dialect postgres > 001_auth.sql"},
			{"every field that clients may set", `schema --json | jq '.tables[] | {name, fields: [.fields[] | select(.input).name]}'`},
		},
		flags: newFlags(),
	}
	c.flags.StringVar(&dialect, "dialect", "", "print SQL for this `database`: "+dialects)
	c.flags.BoolVar(&asJSON, "json", false, "print the description of the tables as JSON")
	c.do = func(ctx context.Context) error {
		switch {
		case (dialect == "") != asJSON:
			return r.misused(c, "schema needs one of --dialect and --json")
		case dialect != "" && !slices.Contains(strings.Split(dialects, ", "), dialect):
			return r.misused(c, "--dialect is none of "+dialects)
		}
		return r.loaded(ctx, r.program.LoadOffline, func(_ context.Context, auth *core.Auth) error {
			if asJSON {
				return r.printJSON(describe(auth.Schema()))
			}
			statements, err := bunstore.Script(dialect, auth.Schema())
			if err != nil {
				return fmt.Errorf("schema: %w", err)
			}
			r.printStatements(statements)
			return nil
		})
	}
	return c
}

// misused is a mistake in the flags of a command that only the command sees.
func (r *run) misused(c *command, problem string) error {
	return &usageError{command: r.program.Name + " " + c.name, problem: problem}
}

// printStatements writes statements so that a database's own client can run
// them.
func (r *run) printStatements(statements []string) {
	for i, s := range statements {
		if i > 0 {
			r.printf("")
		}
		r.printf("%s;", strings.TrimRight(s, "; \n"))
	}
}

func (r *run) printJSON(v any) error {
	enc := json.NewEncoder(r.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

// The form of `schema --json`. Members may be added; those that are here keep
// their meaning.
type (
	schemaJSON struct {
		IDs    idsJSON     `json:"ids"`
		Schema string      `json:"schema,omitempty"`
		Tables []tableJSON `json:"tables"`
	}
	idsJSON struct {
		Kind       string `json:"kind"` // text, uuid, serial
		ByDatabase bool   `json:"byDatabase"`
	}
	tableJSON struct {
		Name    string      `json:"name"`
		DBName  string      `json:"dbName"`
		Fields  []fieldJSON `json:"fields"`
		Indexes []indexJSON `json:"indexes"`
	}
	fieldJSON struct {
		Name       string         `json:"name"`
		DBName     string         `json:"dbName"`
		Type       string         `json:"type"`
		ID         string         `json:"id,omitempty"` // the kind, where it is an id or refers to one
		Required   bool           `json:"required"`
		Unique     bool           `json:"unique"`
		Indexed    bool           `json:"indexed"`
		Input      bool           `json:"input"`
		Returned   bool           `json:"returned"`
		Default    any            `json:"default,omitempty"`
		Computed   bool           `json:"defaultComputed,omitempty"`
		References *referenceJSON `json:"references,omitempty"`
	}
	referenceJSON struct {
		Table    string `json:"table"`
		Field    string `json:"field"`
		OnDelete string `json:"onDelete"` // cascade, set null, restrict
		As       string `json:"as"`
	}
	indexJSON struct {
		Fields []string `json:"fields"`
		Unique bool     `json:"unique"`
	}
)

func describe(s *store.Schema) schemaJSON {
	d := schemaJSON{IDs: idsJSON{Kind: s.IDs().Kind().String(), ByDatabase: s.IDs().ByDatabase()}}
	for _, t := range s.Tables() {
		d.Schema = t.DBSchema()
		d.Tables = append(d.Tables, describeTable(t))
	}
	return d
}

func describeTable(t *store.Table) tableJSON {
	d := tableJSON{Name: t.Name, DBName: t.DBName(), Indexes: []indexJSON{}}
	for _, f := range t.Fields {
		d.Fields = append(d.Fields, describeField(f))
	}
	for _, ix := range t.Indexes {
		d.Indexes = append(d.Indexes, indexJSON{Fields: ix.Fields, Unique: ix.Unique})
	}
	return d
}

func describeField(f *store.Field) fieldJSON {
	d := fieldJSON{
		Name: f.Name, DBName: f.DBName(), Type: f.Type.String(),
		Required: f.Required, Unique: f.Unique, Indexed: f.Indexed,
		Input: f.Input, Returned: f.Returned,
		Default: f.Default, Computed: f.DefaultFunc != nil,
	}
	if f.DefaultFunc != nil {
		d.Default = nil
	}
	if f.IDKind() != 0 {
		d.ID = f.IDKind().String()
	}
	if ref := f.References; ref != nil {
		d.References = &referenceJSON{Table: ref.Table, Field: ref.Field, As: ref.As, OnDelete: onDelete(ref.OnDelete)}
	}
	return d
}

func onDelete(o store.OnDelete) string {
	switch o {
	case store.SetNull:
		return "set null"
	case store.Restrict:
		return "restrict"
	}
	return "cascade"
}
