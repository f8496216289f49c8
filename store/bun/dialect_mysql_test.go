package bunstore_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/mysqldialect"

	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
)

// mysqlPool is a store on a pool of the application's, whose driver is set as
// tweak says.
func mysqlPool(t *testing.T, url string, tweak func(*mysqldriver.Config)) *bunstore.Store {
	t.Helper()
	pool := sql.OpenDB(bunstore.MySQLConnector(t, url, tweak))
	t.Cleanup(func() { _ = pool.Close() })
	return bunstore.New(bun.NewDB(pool, mysqldialect.New()))
}

func everythingSchema(t testing.TB) *store.Schema {
	return compile(t, store.Naming{},
		store.Table{Name: "parent", Fields: []*store.Field{{Name: "name", Type: store.String}}},
		store.Table{Name: "thing", Fields: []*store.Field{
			{Name: "text", Type: store.String},
			{Name: "yes", Type: store.Bool},
			{Name: "count", Type: store.Int},
			{Name: "share", Type: store.Float},
			{Name: "at", Type: store.Time},
			{Name: "json", Type: store.JSON},
			{Name: "words", Type: store.Strings},
			{Name: "parentId", Type: store.String, References: &store.Reference{Table: "parent"}},
		}},
	)
}

// Applications set these as they like, and the store gets what they chose.
func TestMySQLWorksWhateverTheDriverIsSetTo(t *testing.T) {
	t.Parallel()
	kolkata := time.FixedZone("IST", 5*3600+1800)
	for name, tweak := range map[string]func(*mysqldriver.Config){
		"as the driver's defaults are": func(c *mysqldriver.Config) {
			c.InterpolateParams, c.ParseTime, c.ClientFoundRows, c.Loc = false, false, false, time.UTC
		},
		"times in another zone": func(c *mysqldriver.Config) {
			c.ParseTime, c.Loc, c.ClientFoundRows = true, kolkata, false
		},
		"prepared, times in another zone": func(c *mysqldriver.Config) {
			c.InterpolateParams, c.ParseTime, c.Loc = false, true, kolkata
		},
		"a session elsewhere": func(c *mysqldriver.Config) {
			c.Params = map[string]string{"time_zone": "'-11:00'", "sql_mode": "'ANSI,NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES'"}
			c.ParseTime = false
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			schema := everythingSchema(t)
			url := testenv.MySQL(t)
			migrate(t, open(t, url), schema)
			s := mysqlPool(t, url, tweak)
			keepsEverything(t, s, schema)
			countsWhatMatches(t, s, schema)
		})
	}
}

func keepsEverything(t *testing.T, s *bunstore.Store, schema *store.Schema) {
	t.Helper()
	things, parents := schema.Table("thing"), schema.Table("parent")
	create(t, s, schema, "parent", store.Record{"id": "p"})
	want := store.Record{
		"id": "x", "text": `it's "\%_😀 `, "yes": true, "count": int64(math.MinInt64), "share": 1.0 / 3,
		"at":   time.Date(2024, 2, 29, 23, 59, 59, 999e6, time.UTC),
		"json": json.RawMessage(`{"a": [12345678901234567890, "\\ \""]}`), "words": []string{"", "a'b", `"\`}, "parentId": "p",
	}
	same := func(what string, got store.Record, err error) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s returned %v, %v\nwant %v", what, got, err, want)
		}
	}
	got, err := s.Create(t.Context(), things, want)
	same("Create", got, err)
	for name, v := range want {
		if f := things.Field(name); !f.Ordered() {
			continue
		}
		got, err = s.FindOne(t.Context(), things, store.Query{Where: store.And(store.Eq(name, v), store.In(name, v), store.Lte(name, v))})
		same("FindOne by "+name, got, err)
	}
	found, err := s.FindOne(t.Context(), parents, store.Query{Children: []store.Children{{Table: "thing"}}})
	if err != nil || len(found.Records("thing")) != 1 {
		t.Fatalf("FindOne with children returned %v, %v", found, err)
	}
	same("FindOne as a child", found.Records("thing")[0], nil)
	want["count"], want["text"] = int64(math.MinInt64+1), "new"
	got, err = s.Add(t.Context(), things, store.Eq("text", `it's "\%_😀 `), map[string]int64{"count": 1}, store.Record{"text": "new"})
	same("Add", got, err)
	got, err = s.Take(t.Context(), things, store.Eq("id", "x"))
	same("Take", got, err)
}

// countsWhatMatches updates rows that have the values already, which the server
// does not count by itself.
func countsWhatMatches(t *testing.T, s *bunstore.Store, schema *store.Schema) {
	t.Helper()
	things := schema.Table("thing")
	for i := range 3 {
		create(t, s, schema, "thing", store.Record{"id": id(i), "text": "same", "count": i})
	}
	for _, c := range []struct {
		w    store.Where
		set  store.Record
		want int64
	}{
		{store.Eq("text", "none"), store.Record{"text": "same"}, 0},
		{store.Eq("text", "same"), store.Record{"text": "same"}, 3},
		{store.Gt("count", 0), store.Record{"count": 1}, 2},
		{store.Eq("count", 1), store.Record{"text": "other"}, 2},
		{store.All(), store.Record{"text": "other"}, 3},
	} {
		for range 2 {
			n, err := s.Update(t.Context(), things, c.w, c.set)
			if err != nil || n != c.want {
				t.Errorf("Update of %+v to %v matched %d (%v), want %d", c.w, c.set, n, err, c.want)
			}
		}
	}
	err := s.Tx(t.Context(), func(ctx context.Context) error {
		n, err := s.Update(ctx, things, store.All(), store.Record{"text": "other"})
		if n != 3 {
			t.Errorf("Update in a transaction matched %d, want 3", n)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestMySQLListsMayBeLongerThanPlaceholdersGo(t *testing.T) {
	t.Parallel()
	url := testenv.MySQL(t)
	schema := everythingSchema(t)
	migrate(t, open(t, url), schema)
	things := schema.Table("thing")
	for name, interpolate := range map[string]bool{"interpolated": true, "prepared": false} {
		s := mysqlPool(t, url, func(c *mysqldriver.Config) { c.InterpolateParams = interpolate })
		if _, err := s.Delete(t.Context(), things, store.All()); err != nil {
			t.Fatal(err)
		}
		row := store.Record{"id": "Ä ", "text": "it's", "yes": true, "count": int64(1<<53 + 1), "share": 0.1, "at": noon}
		create(t, s, schema, "thing", row)
		for field, v := range row {
			other := map[string]any{"id": "ä ", "text": "it's ", "yes": false, "count": 1 << 53, "share": 0.2, "at": noon.Add(time.Millisecond)}[field]
			list := make([]any, 70_000)
			for i := range list {
				list[i] = other
			}
			for _, c := range []struct {
				w    store.Where
				want int64
			}{
				{store.In(field, list...), 0},
				{store.NotIn(field, list...), 1},
				{store.In(field, append(list, v)...), 1},
				{store.NotIn(field, append(list, v)...), 0},
			} {
				if n, err := s.Count(t.Context(), things, c.w); err != nil || n != c.want {
					t.Errorf("%s: a list of %d for %s matches %d (%v), want %d", name, len(c.w.Values), field, n, err, c.want)
				}
			}
		}
		if n, err := s.Count(t.Context(), things, store.In("text", append(make([]string, 20_000), "IT'S")...).Fold()); err != nil || n != 1 {
			t.Errorf("%s: a folded list matches %d (%v)", name, n, err)
		}
	}
}

func TestMySQLReadsChildrenThatAreMoreThanAServerLikes(t *testing.T) {
	t.Parallel()
	// The server's default lets an aggregate grow to a megabyte.
	s := open(t, testenv.MySQL(t))
	schema := everythingSchema(t)
	migrate(t, s, schema)
	create(t, s, schema, "parent", store.Record{"id": "p"})
	text := strings.Repeat("é", 100_000)
	for i := range 20 {
		create(t, s, schema, "thing", store.Record{"id": id(i), "text": text, "parentId": "p"})
	}
	find := func() (store.Record, error) {
		return s.FindOne(t.Context(), schema.Table("parent"), store.Query{Children: []store.Children{{Table: "thing"}}})
	}
	got, err := find()
	if err != nil || len(got.Records("thing")) != 20 {
		t.Fatalf("%d rows (%v), want 20", len(got.Records("thing")), err)
	}
	for _, r := range got.Records("thing") {
		if r.String("text") != text {
			t.Errorf("row %v has another text", r["id"])
		}
	}
	// What no packet can hold is an error, and not a list without rows.
	for i := range 100 {
		create(t, s, schema, "thing", store.Record{"id": id(100 + i), "text": text, "parentId": "p"})
	}
	if got, err := find(); err == nil {
		t.Errorf("%d rows of %d came back without an error", len(got.Records("thing")), 120)
	}
}

// A transaction of the application's and the store lock each other out, and the
// server rolls the store's back, which has written less.
func TestMySQLRunsAgainWhatLosesAgainstOthers(t *testing.T) {
	t.Parallel()
	schema := everythingSchema(t)
	parents, things := schema.Table("parent"), schema.Table("thing")
	for name, c := range map[string]struct {
		// The application holds the first row and, once the call does, wants the
		// one that the call holds.
		first, held string
		call        func(s *bunstore.Store, ctx context.Context) error
	}{
		"Update": {
			first: "things WHERE id = 'b'", held: "things WHERE id = 'a'",
			call: func(s *bunstore.Store, ctx context.Context) error {
				_, err := s.Update(ctx, things, store.All(), store.Record{"text": "y"})
				return err
			},
		},
		"Delete": {
			first: "things WHERE id = 'b'", held: "things WHERE id = 'a'",
			call: func(s *bunstore.Store, ctx context.Context) error {
				_, err := s.Delete(ctx, things, store.All())
				return err
			},
		},
		"Take": {
			first: "things WHERE id = 'b'", held: "parents WHERE id = 'p'",
			call: func(s *bunstore.Store, ctx context.Context) error {
				_, err := s.Take(ctx, parents, store.All())
				return err
			},
		},
		"Add": {
			first: "parents WHERE id = 'q'", held: "things WHERE id = 'a'",
			call: func(s *bunstore.Store, ctx context.Context) error {
				_, err := s.Add(ctx, things, store.Eq("id", "a"), nil, store.Record{"parentId": "q"})
				return err
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, testenv.MySQL(t))
			migrate(t, s, schema)
			create(t, s, schema, "parent", store.Record{"id": "p"})
			create(t, s, schema, "parent", store.Record{"id": "q"})
			create(t, s, schema, "thing", store.Record{"id": "a"})
			create(t, s, schema, "thing", store.Record{"id": "b", "parentId": "p"})

			err := s.Tx(t.Context(), func(ctx context.Context) error {
				return lockOut(t, s, c.first, c.held, func() error { return c.call(s, ctx) })
			})
			if !errors.Is(err, store.ErrConflict) {
				t.Errorf("in a transaction: %v, want a conflict", err)
			}
			if err := lockOut(t, s, c.first, c.held, func() error { return c.call(s, t.Context()) }); err != nil {
				t.Errorf("alone: %v", err)
			}
		})
	}
}

// lockOut makes the call while a transaction of more weight holds the first row,
// and has that wait for the one that the call holds by then.
func lockOut(t *testing.T, s *bunstore.Store, first, held string, call func() error) error {
	t.Helper()
	tx, err := s.DB().DB.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	exec := func(sql string) {
		t.Helper()
		if _, err := tx.ExecContext(t.Context(), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	exec("CREATE TEMPORARY TABLE IF NOT EXISTS weight (n int)")
	exec("INSERT INTO weight SELECT seq FROM seq_1_to_500")
	exec("SELECT 1 FROM " + first + " FOR UPDATE")
	called := make(chan error, 1)
	go func() { called <- call() }()
	// What the call holds is skipped.
	for locked := false; !locked; {
		select {
		case err := <-called:
			_ = tx.Rollback()
			return err
		default:
		}
		var n int
		err := s.DB().DB.QueryRowContext(t.Context(), "SELECT 1 FROM "+held+" FOR UPDATE SKIP LOCKED").Scan(&n)
		if locked = errors.Is(err, sql.ErrNoRows); err != nil && !locked {
			t.Fatal(err)
		}
	}
	exec("SELECT 1 FROM " + held + " FOR UPDATE")
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	return <-called
}

func TestMySQLErrorsBecomeThoseOfTheStore(t *testing.T) {
	t.Parallel()
	s := open(t, "mysql://nobody@localhost/none")
	for _, c := range []struct {
		numbers []uint16
		want    error
	}{
		{[]uint16{1062, 1586, 1022, 1169}, store.ErrDuplicate},
		{[]uint16{1216, 1217, 1451, 1452}, store.ErrReference},
		{[]uint16{1213, 1020, 1412, 1615, 3101}, store.ErrConflict},
		{[]uint16{1048, 1264, 1292, 1364, 1366, 1390, 1406, 1690, 3140, 3819, 4025, 1153, 1054, 1146}, store.ErrInvalid},
		{[]uint16{1040, 1045, 1049, 1053, 1114, 1203, 1205, 1206, 1290, 1317, 1836, 1927, 1969, 2006, 2013, 3024, 4031}, store.ErrUnavailable},
	} {
		for _, n := range c.numbers {
			got := bunstore.Failure(t.Context(), s, authSchema(t).Table("user"), fmt.Errorf("exec: %w", &mysqldriver.MySQLError{Number: n, Message: "for key 'x'"}))
			if !errors.Is(got, c.want) {
				t.Errorf("%d became %v, want %v", n, got, c.want)
			}
		}
	}
	for _, c := range []struct {
		err  error
		want error
	}{
		{&mysqldriver.MySQLError{Number: 9999, SQLState: [5]byte([]byte("22007"))}, store.ErrInvalid},
		{&mysqldriver.MySQLError{Number: 9999, SQLState: [5]byte([]byte("08S01"))}, store.ErrUnavailable},
		{&mysqldriver.MySQLError{Number: 9999, SQLState: [5]byte([]byte("40001"))}, store.ErrConflict},
		{mysqldriver.ErrInvalidConn, store.ErrUnavailable},
		{mysqldriver.ErrPktTooLarge, store.ErrInvalid},
	} {
		if got := bunstore.Failure(t.Context(), s, nil, c.err); !errors.Is(got, c.want) {
			t.Errorf("%v became %v, want %v", c.err, got, c.want)
		}
	}
}

func TestMySQLDuplicateNamesFields(t *testing.T) {
	t.Parallel()
	s := open(t, "mysql://nobody@localhost/none")
	table := accountTable(t)
	both := []string{"providerId", "accountId"}
	for message, want := range map[string][]string{
		"Duplicate entry 'x' for key 'accounts_email_uidx'":                    {"email"},
		"Duplicate entry 'x' for key 'accounts.accounts_email_uidx'":           {"email"},
		"Duplicate entry 'x' for key 'accounts.email'":                         {"email"},
		"Duplicate entry 'x' for key 'PRIMARY'":                                {"id"},
		"Duplicate entry 'x' for key 'accounts.PRIMARY'":                       {"id"},
		"Duplicate entry 'a-b' for key 'accounts_provider_id_account_id_uidx'": both,
		"Duplicate entry 'for key 'PRIMARY'' for key 'accounts_email_uidx'":    {"email"},
		"Doppelter Eintrag 'x' für Schlüssel 'accounts.accounts_email_uidx'":   {"email"},
		"Duplicate entry 'x' for key 'theirs'":                                 nil,
		"Duplicate entry 'x'":                                                  nil,
		"":                                                                     nil,
	} {
		var got *store.DuplicateError
		if err := bunstore.Failure(t.Context(), s, table, &mysqldriver.MySQLError{Number: 1062, Message: message}); !errors.As(err, &got) {
			t.Errorf("%s became %v", message, err)
			continue
		}
		if !reflect.DeepEqual(got.Fields, want) {
			t.Errorf("%s: got the fields %q, want %q", message, got.Fields, want)
		}
	}
}
