package conformance_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/internal/browser"
	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
	"github.com/ostiary/ostiary/store/memory"
)

// library is a plugin as somebody else would write one, with everything that a
// plugin can bring: tables with fields of every type, references of every kind
// between them and to users, fields on users, endpoints, hooks, in terms of
// logical names only.
type library struct {
	mu     sync.Mutex
	events []string // what hooks after the commit were told
}

func newLibrary() *library { return &library{} }

func (*library) Name() string { return "library" }

func (l *library) Register(r *core.Registry) error {
	r.Tables(
		store.Table{Name: "shelf", Fields: []*store.Field{
			{Name: "label", Type: store.String, Required: true, Unique: true},
			{Name: "curatorId", Type: store.String, References: &store.Reference{Table: core.TableUser, OnDelete: store.SetNull}},
		}},
		store.Table{
			Name: "book", Fields: []*store.Field{
				{Name: "title", Type: store.String, Required: true, Indexed: true},
				{Name: "isbn", Type: store.String, Unique: true},
				{Name: "ownerId", Type: store.String, Required: true, Indexed: true, References: &store.Reference{Table: core.TableUser}},
				{Name: "shelfId", Type: store.String, References: &store.Reference{Table: "shelf", OnDelete: store.Restrict}},
				{Name: "pages", Type: store.Int},
				{Name: "rating", Type: store.Float},
				{Name: "lent", Type: store.Bool, Required: true, Default: false},
				{Name: "published", Type: store.Time},
				{Name: "tags", Type: store.Strings},
				{Name: "meta", Type: store.JSON},
			},
			Indexes: []store.Index{{Fields: []string{"ownerId", "title"}, Unique: true}},
		},
		store.Table{Name: core.TableUser, Fields: []*store.Field{
			{Name: "favoriteGenre", Type: store.String, Input: true, Returned: true, Default: "novels"},
			{Name: "booksOwned", Type: store.Int, Required: true, Default: 0, Returned: true},
		}},
	)
	r.Endpoints(createShelf, readShelf, deleteShelf, createBook, readBook, listBooks, updateBook, deleteBook)
	r.Hooks(core.Hook{Path: "/books/create", Before: func(_ context.Context, r *core.Request) error {
		if r.Body()["title"] == "forbidden" {
			return &core.Error{Status: 403, Code: "FORBIDDEN_BOOK", Message: "Not that one"}
		}
		return nil
	}})
	r.DatabaseHooks(core.DatabaseHook{
		Table: "book",
		BeforeCreate: func(ctx context.Context, row store.Record) error {
			return owns(ctx, row.String("ownerId"), 1)
		},
		BeforeDelete: func(ctx context.Context, row store.Record) error {
			return owns(ctx, row.String("ownerId"), -1)
		},
		AfterCreate: func(_ context.Context, row store.Record) error { return l.note("created " + row.String("title")) },
		AfterUpdate: func(_ context.Context, was, row store.Record) error {
			return l.note("renamed " + was.String("title") + " to " + row.String("title"))
		},
		AfterDelete: func(_ context.Context, row store.Record) error { return l.note("deleted " + row.String("title")) },
	})
	return nil
}

func (l *library) note(event string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, event)
	return nil
}

// told returns what hooks have been told since the last call.
func (l *library) told() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	told := strings.Join(l.events, ", ")
	l.events = nil
	return told
}

// owns counts a user's books in the transaction that changes them.
func owns(ctx context.Context, userID string, n int64) error {
	r := core.RequestFrom(ctx)
	if r == nil {
		return nil // deleted by a call from Go, with its owner
	}
	_, err := r.Auth().Database().Add(ctx, core.TableUser, store.Eq(store.ID, userID), map[string]int64{"booksOwned": n}, nil)
	return err
}

var (
	errBookExists = &core.Error{Status: 409, Code: "BOOK_EXISTS", Message: "There is that book already"}
	errNoShelf    = &core.Error{Status: 400, Code: "NO_SUCH_SHELF", Message: "There is no such shelf"}
	errShelfInUse = &core.Error{Status: 409, Code: "SHELF_IN_USE", Message: "There are books on it"}
)

// answered makes of a store's error what the plugin answers.
func answered(err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return core.ErrNotFound
	case errors.Is(err, store.ErrDuplicate):
		return errBookExists.Because(err)
	case errors.Is(err, store.ErrReference):
		return errNoShelf.Because(err)
	}
	return err
}

type shelf struct {
	ID      string   `json:"id"`
	Label   string   `json:"label"`
	Curator *string  `json:"curator"`
	Books   []string `json:"books"`
}

type book struct {
	ID        string          `json:"id"`
	Title     string          `json:"title"`
	OwnerID   string          `json:"ownerId"`
	Owner     string          `json:"owner"`
	Shelf     *string         `json:"shelf"`
	Pages     int64           `json:"pages"`
	Rating    float64         `json:"rating"`
	Lent      bool            `json:"lent"`
	Published time.Time       `json:"published"`
	Tags      []string        `json:"tags"`
	Meta      json.RawMessage `json:"meta"`
}

func bookFrom(row store.Record) *book {
	b := &book{
		ID: row.String("id"), Title: row.String("title"), OwnerID: row.String("ownerId"), Owner: row.Record("owner").String("name"),
		Pages: row.Int("pages"), Lent: row.Bool("lent"), Published: row.Time("published"),
	}
	b.Rating, _ = row["rating"].(float64)
	b.Tags, _ = row["tags"].([]string)
	b.Meta, _ = row["meta"].(json.RawMessage)
	if s := row.Record("shelf"); s != nil {
		label := s.String("label")
		b.Shelf = &label
	}
	return b
}

type label struct {
	Label string `json:"label" check:"nonempty"`
}

type byPathID struct {
	ID string `json:"id" in:"path"`
}

type byID struct {
	ID string `json:"id"`
}

var createShelf = &core.Endpoint[label, *shelf]{
	Method: http.MethodPost, Path: "/shelves/create", Guard: core.NeedsSession,
	Do: func(ctx context.Context, r *core.Request, in label) (*shelf, error) {
		id, err := r.Auth().Authenticate(ctx)
		if err != nil {
			return nil, err
		}
		row, err := r.Auth().Database().Create(ctx, "shelf", store.Record{"label": in.Label, "curatorId": id.User.ID})
		if err != nil {
			return nil, answered(err)
		}
		return &shelf{ID: row.String("id"), Label: row.String("label")}, nil
	},
}

var readShelf = &core.Endpoint[byPathID, *shelf]{
	Method: http.MethodGet, Path: "/shelves/:id",
	Do: func(ctx context.Context, r *core.Request, in byPathID) (*shelf, error) {
		row, err := r.Auth().Database().FindOne(ctx, "shelf", store.Query{
			Where: store.Eq(store.ID, in.ID), Join: []string{"curatorId"},
			Children: []store.Children{{Table: "book", As: "books", Sort: []store.Sort{{Field: "title", Desc: true}}, Limit: 2}},
		})
		if err != nil {
			return nil, answered(err)
		}
		out := &shelf{ID: row.String("id"), Label: row.String("label"), Books: []string{}}
		if curator := row.Record("curator"); curator != nil {
			name := curator.String("name")
			out.Curator = &name
		}
		for _, b := range row["books"].([]store.Record) {
			out.Books = append(out.Books, b.String("title"))
		}
		return out, nil
	},
}

var deleteShelf = &core.Endpoint[byID, core.Status]{
	Method: http.MethodPost, Path: "/shelves/delete", Guard: core.NeedsSession,
	Do: func(ctx context.Context, r *core.Request, in byID) (core.Status, error) {
		n, err := r.Auth().Database().Delete(ctx, "shelf", store.Eq(store.ID, in.ID))
		if errors.Is(err, store.ErrReference) {
			return core.Status{}, errShelfInUse
		}
		return core.Status{Status: n == 1}, err
	},
}

type newBook struct {
	Title     string   `json:"title" check:"nonempty" max:"500"`
	ISBN      *string  `json:"isbn"`
	ShelfID   *string  `json:"shelfId"`
	Pages     *int64   `json:"pages"`
	Rating    *float64 `json:"rating"`
	Published *string  `json:"published"`
	Tags      []string `json:"tags"`
	Meta      any      `json:"meta"`
}

func (n newBook) record(ownerID string) (store.Record, error) {
	row := store.Record{"title": n.Title, "ownerId": ownerID, "tags": n.Tags}
	if n.ISBN != nil {
		row["isbn"] = *n.ISBN
	}
	if n.ShelfID != nil {
		row["shelfId"] = *n.ShelfID
	}
	if n.Pages != nil {
		row["pages"] = *n.Pages
	}
	if n.Rating != nil {
		row["rating"] = *n.Rating
	}
	if n.Published != nil {
		at, err := time.Parse(time.RFC3339, *n.Published)
		if err != nil {
			return nil, core.ErrValidation.Because(err)
		}
		row["published"] = at
	}
	if n.Meta != nil {
		meta, err := json.Marshal(n.Meta)
		if err != nil {
			return nil, err
		}
		row["meta"] = json.RawMessage(meta)
	}
	return row, nil
}

var createBook = &core.Endpoint[newBook, *book]{
	Method: http.MethodPost, Path: "/books/create", Guard: core.NeedsSession,
	Do: func(ctx context.Context, r *core.Request, in newBook) (*book, error) {
		id, err := r.Auth().Authenticate(ctx)
		if err != nil {
			return nil, err
		}
		row, err := in.record(id.User.ID)
		if err != nil {
			return nil, err
		}
		if row, err = r.Auth().Database().Create(ctx, "book", row); err != nil {
			return nil, answered(err)
		}
		return bookFrom(row), nil
	},
}

var readBook = &core.Endpoint[byPathID, *book]{
	Method: http.MethodGet, Path: "/books/:id",
	Do: func(ctx context.Context, r *core.Request, in byPathID) (*book, error) {
		row, err := r.Auth().Database().FindOne(ctx, "book", store.Query{Where: store.Eq(store.ID, in.ID), Join: []string{"ownerId", "shelfId"}})
		if err != nil {
			return nil, answered(err)
		}
		return bookFrom(row), nil
	},
}

type bookQuery struct {
	Title *string `json:"title" in:"query"`
	How   *string `json:"how" in:"query"`
}

var listBooks = &core.Endpoint[bookQuery, []*book]{
	Method: http.MethodGet, Path: "/books",
	Do: func(ctx context.Context, r *core.Request, in bookQuery) ([]*book, error) {
		q := store.Query{Sort: []store.Sort{{Field: "title"}}, Join: []string{"ownerId"}}
		if in.Title != nil {
			how := ""
			if in.How != nil {
				how = *in.How
			}
			q.Where = byTitle(how, *in.Title)
		}
		rows, err := r.Auth().Database().FindMany(ctx, "book", q)
		if err != nil {
			return nil, err
		}
		out := []*book{}
		for _, row := range rows {
			out = append(out, bookFrom(row))
		}
		return out, nil
	},
}

func byTitle(how, text string) store.Where {
	switch how {
	case "prefix":
		return store.HasPrefix("title", text)
	case "suffix":
		return store.HasSuffix("title", text)
	case "contains":
		return store.Contains("title", text)
	case "in":
		return store.In("title", "another", text, "a third")
	case "any case":
		return store.Eq("title", text).Fold()
	}
	return store.Eq("title", text)
}

type bookChange struct {
	ID    string `json:"id"`
	Title string `json:"title"`
}

var updateBook = &core.Endpoint[bookChange, *book]{
	Method: http.MethodPost, Path: "/books/update", Guard: core.NeedsSession,
	Do: func(ctx context.Context, r *core.Request, in bookChange) (*book, error) {
		id, err := r.Auth().Authenticate(ctx)
		if err != nil {
			return nil, err
		}
		row, err := r.Auth().Database().Add(ctx, "book", store.And(store.Eq(store.ID, in.ID), store.Eq("ownerId", id.User.ID)), nil, store.Record{"title": in.Title})
		if err != nil {
			return nil, answered(err)
		}
		return bookFrom(row), nil
	},
}

var deleteBook = &core.Endpoint[byID, *book]{
	Method: http.MethodPost, Path: "/books/delete", Guard: core.NeedsSession,
	Do: func(ctx context.Context, r *core.Request, in byID) (*book, error) {
		row, err := r.Auth().Database().Take(ctx, "book", store.Eq(store.ID, in.ID))
		if err != nil {
			return nil, answered(err)
		}
		return bookFrom(row), nil
	},
}

// naming is a way to name tables and columns, with what it makes of a table of
// the plugin, of a column of that, and of the plugin's column of the users.
type naming struct {
	name                                 string
	naming                               store.Naming
	table, column, userTable, userColumn string
}

func namings(schema string) []naming {
	overridden := store.SnakePlural()
	overridden.Tables = map[string]string{"book": "Tomes", "user": "members", "session": "visits"}
	overridden.Columns = map[string]string{"book.ownerId": "keeper", "user.favoriteGenre": "GENRE", "session.userId": "member", "user.email": "order"}
	prefixed := store.BetterAuth()
	prefixed.Prefix = "auth_"
	all := []naming{
		{"snake", store.Naming{}, "books", "owner_id", "users", "favorite_genre"},
		{"better-auth", store.BetterAuth(), "book", "ownerId", "user", "favoriteGenre"},
		{"prefix", prefixed, "auth_book", "ownerId", "auth_user", "favoriteGenre"},
		{"overridden", overridden, "Tomes", "keeper", "members", "GENRE"},
	}
	if schema != "" {
		inSchema := store.SnakePlural()
		inSchema.Schema = schema
		all = append(all, naming{"schema", inSchema, "books", "owner_id", "users", "favorite_genre"})
	}
	return all
}

// idPolicy is a way to make ids and what they look like.
type idPolicy struct {
	name    string
	ids     store.IDs
	pattern string
}

func idPolicies() []idPolicy {
	var n atomic.Int64
	uuid := func(version string) string {
		return `^[0-9a-f]{8}-[0-9a-f]{4}-` + version + `[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`
	}
	return []idPolicy{
		{"random", store.RandomIDs(), `^[A-Za-z0-9]{32}$`},
		{"UUIDv4", store.UUIDv4(), uuid("4")},
		{"UUIDv7", store.UUIDv7(), uuid("7")},
		{"function", store.IDFunc(func(table string) (string, error) { return fmt.Sprintf("%s_%d", table, n.Add(1)), nil }), `^[a-z]+_[0-9]+$`},
		{"database UUID", store.DatabaseUUIDs(), uuid("4")},
		{"serial", store.SerialIDs(), `^[1-9][0-9]*$`},
	}
}

// home is a kind of database to put the tables in, with a schema in it where
// it has such.
type home struct {
	name string
	// open returns an empty database; nil for the one in memory.
	open func(t *testing.T) (st *bunstore.Store, schema string)
}

func homes() []home {
	return []home{
		{"memory", nil},
		{"sqlite", func(t *testing.T) (*bunstore.Store, string) { return open(t, databases()[0].url(t)), "" }},
		{"postgres", func(t *testing.T) (*bunstore.Store, string) {
			st := open(t, testenv.Postgres(t))
			must(t, st.DB().DB, "CREATE SCHEMA elsewhere")
			return st, "elsewhere"
		}},
		{"mysql", func(t *testing.T) (*bunstore.Store, string) {
			elsewhere, err := url.Parse(testenv.MySQL(t))
			if err != nil {
				t.Fatal(err)
			}
			return open(t, testenv.MySQL(t)), strings.TrimPrefix(elsewhere.Path, "/")
		}},
	}
}

// Every way to make ids, and every way to name things, on every database.
func TestAPluginWorksUnchangedEverywhere(t *testing.T) {
	t.Parallel()
	for turn, where := range homes() {
		t.Run(where.name, func(t *testing.T) {
			t.Parallel()
			for i, policy := range idPolicies() {
				st, schema, sqlStore := store.Store(memory.New()), "", (*bunstore.Store)(nil)
				if where.open != nil {
					sqlStore, schema = where.open(t)
					st = sqlStore
				}
				names := namings(schema)
				named, with := names[(i+turn)%len(names)], adapters()[(i+turn)%2]
				t.Run(policy.name+", "+named.name+", "+with.name, func(t *testing.T) {
					cfg := config(st, nil)
					cfg.IDs, cfg.Naming = policy.ids, named.naming
					l := newLibrary()
					cfg.Plugins = []core.Plugin{l}
					auth := newAuth(t, cfg)
					useLibrary(t, auth, l, with.serve(auth), regexp.MustCompile(policy.pattern))
					if sqlStore != nil {
						named.wantIn(t, sqlStore)
					}
					if err := auth.Migrate(t.Context()); err != nil {
						t.Errorf("migrate again: %v", err)
					}
				})
			}
		})
	}
}

// wantIn fails the test unless the names are those in the database.
func (n naming) wantIn(t *testing.T, st *bunstore.Store) {
	t.Helper()
	quote := func(name string) string { return `"` + name + `"` }
	if st.DB().Dialect().Name().String() == "mysql" {
		quote = func(name string) string { return "`" + name + "`" }
	}
	for table, column := range map[string]string{n.table: n.column, n.userTable: n.userColumn} {
		from := quote(table)
		if n.naming.Schema != "" {
			from = quote(n.naming.Schema) + "." + from
		}
		must(t, st.DB().DB, "SELECT "+from+"."+quote(column)+" FROM "+from+" WHERE 1 = 0")
	}
}

// useLibrary uses everything that the plugin brings.
func useLibrary(t *testing.T, auth *core.Auth, l *library, h http.Handler, id *regexp.Regexp) {
	t.Helper()
	owner, other := signUp(t, h, "owner@b.com"), browser.New(t, h)
	other.Post("/api/auth/sign-up/email", m{"name": "Bo", "email": "other@b.com", "password": "password789", "favoriteGenre": "plays"}).Want(200)
	me, they := owner.Get("/me").Want(200), other.Get("/me").Want(200)
	if me.Text("favoriteGenre") != "novels" || they.Text("favoriteGenre") != "plays" || me.JSON("booksOwned") != 0.0 {
		t.Errorf("users %s and %s", me.Body, they.Body)
	}

	history := owner.Post("/api/auth/shelves/create", m{"label": "History"}).Want(200).Text("id")
	first := owner.Post("/api/auth/books/create", m{
		"title": "Decline and Fall", "isbn": "1", "shelfId": history, "pages": 1 << 40, "rating": 4.5,
		"published": "1776-02-17T12:30:00.123+01:00", "tags": []string{"rome", ""}, "meta": m{"volumes": 6, "x": nil},
	}).Want(200)
	second := owner.Post("/api/auth/books/create", m{"title": "Annals", "shelfId": history, "tags": []string{}}).Want(200)
	third := other.Post("/api/auth/books/create", m{"title": "Histories", "shelfId": history, "tags": []string{}}).Want(200)
	for _, value := range []string{me.Text("id"), history, first.Text("id"), second.Text("id"), third.Text("id"), first.Text("ownerId")} {
		if !id.MatchString(value) {
			t.Errorf("id %q is not of the form %s", value, id)
		}
	}
	if told := l.told(); told != "created Decline and Fall, created Annals, created Histories" {
		t.Errorf("hooks were told %q", told)
	}

	got := owner.Get("/api/auth/books/" + first.Text("id")).Want(200)
	for field, want := range map[string]any{
		"title": "Decline and Fall", "ownerId": me.Text("id"), "owner": "Al", "shelf": "History", "pages": float64(1 << 40), "rating": 4.5, "lent": false,
		"published": "1776-02-17T11:30:00.123Z", "tags": []any{"rome", ""}, "meta": map[string]any{"volumes": 6.0, "x": nil},
	} {
		if !reflect.DeepEqual(got.JSON(field), want) {
			t.Errorf("%s is %#v, want %#v", field, got.JSON(field), want)
		}
	}
	if got := titles(owner.Get("/api/auth/books").Want(200)); got != "Annals, Decline and Fall, Histories" {
		t.Errorf("books %q", got)
	}
	for query, want := range map[string]string{
		"title=Annals": "Annals", "title=annals": "", "title=aNNALS&how=any+case": "Annals", "title=n&how=contains": "Annals, Decline and Fall",
		"title=A&how=prefix": "Annals", "title=s&how=suffix": "Annals, Histories", "title=Histories&how=in": "Histories", "title=%25&how=contains": "",
	} {
		if got := titles(owner.Get("/api/auth/books?" + query).Want(200)); got != want {
			t.Errorf("books with %s: %q, want %q", query, got, want)
		}
	}
	on := owner.Get("/api/auth/shelves/" + history).Want(200)
	if on.Text("curator") != "Al" || !reflect.DeepEqual(on.JSON("books"), []any{"Histories", "Decline and Fall"}) {
		t.Errorf("shelf %s", on.Body)
	}

	// What cannot be.
	owner.Post("/api/auth/books/create", m{"title": "Annals", "tags": []string{}}).WantCode(409, "BOOK_EXISTS")
	owner.Post("/api/auth/books/create", m{"title": "Other", "isbn": "1", "tags": []string{}}).WantCode(409, "BOOK_EXISTS")
	owner.Post("/api/auth/books/create", m{"title": "forbidden", "tags": []string{}}).WantCode(403, "FORBIDDEN_BOOK")
	owner.Post("/api/auth/shelves/create", m{"label": "History"}).WantCode(409, "BOOK_EXISTS")
	owner.Post("/api/auth/shelves/delete", m{"id": history}).WantCode(409, "SHELF_IN_USE")
	browser.New(t, h).Post("/api/auth/books/create", m{"title": "x", "tags": []string{}}).WantCode(401, "UNAUTHORIZED")
	other.Post("/api/auth/books/update", m{"id": first.Text("id"), "title": "Mine"}).WantCode(404, "NOT_FOUND")
	for _, nobody := range []string{"nope", "0", "-1", "999999999999", "00000000-0000-4000-8000-000000000000", "NULL", "1' OR '1'='1", strings.ToUpper(first.Text("id")) + "x"} {
		owner.Get("/api/auth/books/"+url.PathEscape(nobody)).WantCode(404, "NOT_FOUND")
		owner.Post("/api/auth/books/delete", m{"id": nobody}).WantCode(404, "NOT_FOUND")
	}
	// A shelf that could be, but is not.
	gone := owner.Post("/api/auth/shelves/create", m{"label": "Gone"}).Want(200).Text("id")
	owner.Post("/api/auth/shelves/delete", m{"id": gone}).Want(200)
	owner.Post("/api/auth/books/create", m{"title": "Other", "shelfId": gone, "tags": []string{}}).WantCode(400, "NO_SUCH_SHELF")
	if owned := owner.Get("/me").Want(200).JSON("booksOwned"); owned != 2.0 {
		t.Errorf("the user owns %v books, by what was refused", owned)
	}
	if told := l.told(); told != "" {
		t.Errorf("of what was refused, hooks were told %q", told)
	}

	owner.Post("/api/auth/books/update", m{"id": second.Text("id"), "title": "The Annals"}).Want(200)
	owner.Post("/api/auth/books/update", m{"id": second.Text("id"), "title": "Decline and Fall"}).WantCode(409, "BOOK_EXISTS")
	if took := owner.Post("/api/auth/books/delete", m{"id": first.Text("id")}).Want(200); took.Text("title") != "Decline and Fall" {
		t.Errorf("deleted %s", took.Body)
	}
	owner.Post("/api/auth/books/delete", m{"id": first.Text("id")}).WantCode(404, "NOT_FOUND")
	if owned := owner.Get("/me").Want(200).JSON("booksOwned"); owned != 1.0 {
		t.Errorf("the user owns %v books", owned)
	}
	if told := l.told(); told != "renamed Annals to The Annals, deleted Decline and Fall" {
		t.Errorf("hooks were told %q", told)
	}

	// The user goes: the book with it, the shelf without its curator.
	if err := auth.Users().Delete(t.Context(), me.Text("id")); err != nil {
		t.Fatal(err)
	}
	if got := titles(other.Get("/api/auth/books").Want(200)); got != "Histories" {
		t.Errorf("books %q", got)
	}
	if on := other.Get("/api/auth/shelves/" + history).Want(200); on.JSON("curator") != nil || on.Text("label") != "History" {
		t.Errorf("shelf %s", on.Body)
	}
	if told := l.told(); told != "deleted The Annals" {
		t.Errorf("hooks were told %q", told)
	}
	if res := owner.Get("/api/auth/get-session").Want(200); res.Body != "null" {
		t.Errorf("the session outlives its user: %s", res.Body)
	}
	other.Post("/api/auth/update-user", m{"favoriteGenre": "poems"}).Want(200)
	if got := other.Get("/me").Want(200); got.Text("favoriteGenre") != "poems" || got.JSON("booksOwned") != 1.0 {
		t.Errorf("user %s", got.Body)
	}
}

func titles(res *browser.Answer) string {
	list, _ := res.JSON().([]any)
	var all []string
	for _, entry := range list {
		all = append(all, entry.(map[string]any)["title"].(string))
	}
	return strings.Join(all, ", ")
}
