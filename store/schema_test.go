package store_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/store"
)

func text(name string) *store.Field { return &store.Field{Name: name, Type: store.String} }

func refers(name string, ref store.Reference) *store.Field {
	return &store.Field{Name: name, Type: store.String, References: &ref}
}

func table(name string, fields ...*store.Field) store.Table {
	return store.Table{Name: name, Fields: fields}
}

func compile(t *testing.T, n store.Naming, tables ...store.Table) *store.Schema {
	t.Helper()
	s, err := store.NewSchema(n, store.IDs{}, tables...)
	if err != nil {
		t.Fatalf("NewSchema: %v", err)
	}
	return s
}

func fieldNames(t *store.Table) []string {
	var names []string
	for _, f := range t.Fields {
		names = append(names, f.Name)
	}
	return names
}

func TestNewSchemaPutsTheIDInFront(t *testing.T) {
	t.Parallel()
	user := compile(t, store.Naming{}, table("user", text("name"))).Table("user")
	if got := fieldNames(user); !slices.Equal(got, []string{"id", "name"}) {
		t.Fatalf("fields are %q", got)
	}
	id := user.Field(store.ID)
	if id.Type != store.String || !id.Required || !id.Unique || !id.Returned || id.Input {
		t.Errorf("id is %+v", id)
	}
	if got := compile(t, store.Naming{}, table("empty")).Table("empty"); len(got.Fields) != 1 {
		t.Errorf("a table without fields has %q", fieldNames(got))
	}
}

func TestNewSchemaMergesTablesOfOneName(t *testing.T) {
	t.Parallel()
	s := compile(t, store.Naming{},
		store.Table{Name: "user", Fields: []*store.Field{text("name")}, Indexes: []store.Index{{Fields: []string{"name"}}}},
		table("session", refers("userId", store.Reference{Table: "user"})),
		store.Table{Name: "user", Fields: []*store.Field{text("role")}, Indexes: []store.Index{{Fields: []string{"name", "role"}, Unique: true}}},
	)
	if n := len(s.Tables()); n != 2 {
		t.Fatalf("%d tables, want 2", n)
	}
	user := s.Table("user")
	if got := fieldNames(user); !slices.Equal(got, []string{"id", "name", "role"}) {
		t.Errorf("fields are %q", got)
	}
	if len(user.Indexes) != 2 || !user.Indexes[1].Unique {
		t.Errorf("indexes are %+v", user.Indexes)
	}
}

func TestNewSchemaCopiesItsDeclarations(t *testing.T) {
	t.Parallel()
	author := refers("authorId", store.Reference{Table: "user"})
	title := text("title")
	title.Default = "untitled"
	post := store.Table{Name: "post", Fields: []*store.Field{author, title}, Indexes: []store.Index{{Fields: []string{"title"}}}}
	s := compile(t, store.SnakePlural(), table("user"), post)
	other := compile(t, store.BetterAuth(), table("user"), post)

	if author.References.Field != "" || author.References.As != "" || author.References.Target() != nil || author.DBName() != "" || post.DBName() != "" || post.Schema() != nil {
		t.Errorf("the declaration became %+v, %+v", post, author)
	}
	if a, b := s.Table("post").Field("authorId").DBName(), other.Table("post").Field("authorId").DBName(); a != "author_id" || b != "authorId" {
		t.Errorf("two schemas of one declaration name it %q and %q", a, b)
	}
	title.Default = "changed"
	author.References.Table = "changed"
	post.Indexes[0] = store.Index{}
	compiled := s.Table("post")
	if compiled.Field("title").Default != "untitled" || compiled.Field("authorId").References.Table != "user" || len(compiled.Indexes[0].Fields) != 1 {
		t.Error("a change of the declaration reached the schema")
	}
}

func TestSchemaFindsTablesAndFields(t *testing.T) {
	t.Parallel()
	s := compile(t, store.Naming{}, table("user", text("name")))
	if s.Table("users") != nil || s.Table("user").Field("email") != nil {
		t.Error("found what does not exist")
	}
	if s.Table("user").Schema() != s {
		t.Error("the table does not know its schema")
	}
	s.Tables()[0] = nil
	if s.Tables()[0] == nil {
		t.Error("Tables returns the schema's own slice")
	}
}

func TestReferencesAreResolved(t *testing.T) {
	t.Parallel()
	user := table("user", &store.Field{Name: "handle", Type: store.String, Unique: true})
	for _, c := range []struct {
		field     *store.Field
		target    string
		joinsAs   string
		otherName string
	}{
		{field: refers("userId", store.Reference{Table: "user"}), target: "id", joinsAs: "user"},
		{field: refers("impersonatedById", store.Reference{Table: "user"}), target: "id", joinsAs: "impersonatedBy"},
		{field: refers("owner", store.Reference{Table: "user"}), target: "id", joinsAs: "user"},
		{field: refers("Id", store.Reference{Table: "user"}), target: "id", joinsAs: "user"},
		{field: refers("userHandle", store.Reference{Table: "user", Field: "handle", As: "holder"}), target: "handle", joinsAs: "holder"},
	} {
		naming := store.Naming{}
		if c.field.Name == "Id" {
			naming.Columns = map[string]string{"thing.Id": "other_id"}
		}
		s := compile(t, naming, user, table("thing", c.field))
		ref := s.Table("thing").Field(c.field.Name).References
		if ref.Target() != s.Table("user") || ref.Field != c.target || ref.As != c.joinsAs {
			t.Errorf("%s refers to %v.%s and joins as %q, want user.%s and %q", c.field.Name, ref.Target(), ref.Field, ref.As, c.target, c.joinsAs)
		}
	}
}

func TestTablesComeAfterThoseTheyReferTo(t *testing.T) {
	t.Parallel()
	s := compile(t, store.Naming{},
		table("grandchild", refers("childId", store.Reference{Table: "child"})),
		table("child", refers("parentId", store.Reference{Table: "parent"}), refers("selfId", store.Reference{Table: "child"})),
		table("egg", refers("henId", store.Reference{Table: "hen"})),
		table("hen", refers("eggId", store.Reference{Table: "egg"})),
		table("parent"),
	)
	position := map[string]int{}
	for i, table := range s.Tables() {
		position[table.Name] = i
	}
	if len(position) != 5 {
		t.Fatalf("%d tables, want 5", len(position))
	}
	if position["parent"] > position["child"] || position["child"] > position["grandchild"] {
		t.Errorf("the order is %v", position)
	}
}

// problems are declarations that do not compile, each with a part of what is
// said about it.
var problems = []struct {
	want   string
	tables []store.Table
}{
	{`table "": the name`, []store.Table{table("")}},
	{`table "a b": the name`, []store.Table{table("a b")}},
	{`table "1st": the name`, []store.Table{table("1st")}},
	{`table "x\"": the name`, []store.Table{table(`x"`)}},
	{`table "usér": the name`, []store.Table{table("usér")}},
	{"63 at most", []store.Table{table(strings.Repeat("x", 64))}},
	{`table "p1": a field is nil`, []store.Table{table("p1", nil)}},
	{`table "p2": field name "a-b"`, []store.Table{table("p2", text("a-b"))}},
	{`table "p3": field "a" is declared twice`, []store.Table{table("p3", text("a")), table("p3", text("a"))}},
	{`table "p4": field "id" is declared twice`, []store.Table{table("p4", text("id"))}},
	{`table "p5": field "a" has no type`, []store.Table{table("p5", &store.Field{Name: "a"})}},
	{`table "p6": field "a" has no type`, []store.Table{table("p6", &store.Field{Name: "a", Type: store.Strings + 1})}},
	{`table "p7": field "a" is json, which cannot be indexed`, []store.Table{table("p7", &store.Field{Name: "a", Type: store.JSON, Unique: true})}},
	{`table "p8": field "a" is strings, which cannot be indexed`, []store.Table{table("p8", &store.Field{Name: "a", Type: store.Strings, Indexed: true})}},
	{`table "p9": default of field "a"`, []store.Table{table("p9", &store.Field{Name: "a", Type: store.Int, Default: "1"})}},
	{`table "p10": field "a" refers to table "nothing"`, []store.Table{table("p10", refers("a", store.Reference{Table: "nothing"}))}},
	{`table "p11": field "a" refers to p11.b, which is no unique field`, []store.Table{table("p11", refers("a", store.Reference{Table: "p11", Field: "b"}))}},
	{`table "p12": field "a" refers to p12.b, which is no unique field`, []store.Table{table("p12", text("b"), refers("a", store.Reference{Table: "p12", Field: "b"}))}},
	{`table "p13": field "a" is int and refers to p13.id, which is string`, []store.Table{table("p13", &store.Field{Name: "a", Type: store.Int, References: &store.Reference{Table: "p13"}})}},
	{`table "p14": field "a" is required and cannot be set null`, []store.Table{table("p14", &store.Field{Name: "a", Type: store.String, Required: true, References: &store.Reference{Table: "p14", OnDelete: store.SetNull}})}},
	{`table "p15": field "aId" joins as "a", which is taken already; set As`, []store.Table{table("p15", text("a"), refers("aId", store.Reference{Table: "p15"}))}},
	{`table "p16": an index has no fields`, []store.Table{{Name: "p16", Indexes: []store.Index{{}}}}},
	{`table "p17": an index names "b"`, []store.Table{{Name: "p17", Fields: []*store.Field{text("a")}, Indexes: []store.Index{{Fields: []string{"a", "b"}}}}}},
	{`table "p18": an index names "a"`, []store.Table{{Name: "p18", Fields: []*store.Field{{Name: "a", Type: store.JSON}}, Indexes: []store.Index{{Fields: []string{"a"}}}}}},
	{`table "p19": fields "userId" and "user_id" are both named "user_id"`, []store.Table{table("p19", text("userId"), text("user_id"))}},
	{`tables "p20" and "P20" are both named`, []store.Table{table("p20"), table("P20")}},
	{`table "p21": fields "ab" and "AB" are both named`, []store.Table{table("p21", text("ab"), text("AB"))}},
	{`is no name a database takes`, []store.Table{table(strings.Repeat("x", 63))}}, // the plural is longer
	{`of field "` + strings.Repeat("aB", 31) + `" is no name`, []store.Table{table("p22", text(strings.Repeat("aB", 31)))}},
}

func TestNewSchemaReportsAProblem(t *testing.T) {
	t.Parallel()
	for _, p := range problems {
		s, err := store.NewSchema(store.Naming{}, store.IDs{}, p.tables...)
		if err == nil || !strings.Contains(err.Error(), p.want) {
			t.Errorf("got %v, want an error with %s", err, p.want)
		}
		if s != nil {
			t.Errorf("%s: a schema beside the error", p.want)
		}
	}
}

func TestNewSchemaReportsAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	var all []store.Table
	for _, p := range problems {
		all = append(all, p.tables...)
	}
	_, err := store.NewSchema(store.Naming{}, store.IDs{}, all...)
	if err == nil {
		t.Fatal("no error")
	}
	for _, p := range problems {
		if !strings.Contains(err.Error(), p.want) {
			t.Errorf("the error leaves out %s", p.want)
		}
	}
	if n := len(strings.Split(err.Error(), "\n")); n < len(problems) {
		t.Errorf("%d lines for %d problems", n, len(problems))
	}
}

func TestAWrongDefaultIsErrInvalid(t *testing.T) {
	t.Parallel()
	_, err := store.NewSchema(store.Naming{}, store.IDs{}, table("user", &store.Field{Name: "age", Type: store.Int, Default: "1"}))
	if !errors.Is(err, store.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

func TestDefaultsAreCanonical(t *testing.T) {
	t.Parallel()
	s := compile(t, store.Naming{}, table("user",
		&store.Field{Name: "age", Type: store.Int, Default: 7},
		&store.Field{Name: "name", Type: store.String},
	))
	if got := s.Table("user").Field("age").Default; got != int64(7) {
		t.Errorf("the default is %T %v, want int64", got, got)
	}
	if got := s.Table("user").Field("name").Default; got != nil {
		t.Errorf("no default is %v", got)
	}
}

func TestTypeNames(t *testing.T) {
	t.Parallel()
	want := []string{"invalid", "string", "bool", "int", "float", "time", "json", "strings", "invalid"}
	for i, name := range want {
		if got := store.Type(i).String(); got != name {
			t.Errorf("Type(%d) is %q, want %q", i, got, name)
		}
	}
}
