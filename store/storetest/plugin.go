package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/ostiary/ostiary/store"
)

// coreTables and pluginTables are what an engine and a plugin declare: the
// plugin has a table of its own, a field on another's and references.
func coreTables() []store.Table {
	return []store.Table{
		{Name: "user", Fields: []*store.Field{
			{Name: "email", Type: store.String, Required: true, Unique: true},
			{Name: "emailVerified", Type: store.Bool, Required: true},
			{Name: "createdAt", Type: store.Time},
		}},
		{Name: "session", Fields: []*store.Field{
			{Name: "token", Type: store.String, Required: true, Unique: true},
			{Name: "userId", Type: store.String, Required: true, Indexed: true, References: &store.Reference{Table: "user"}},
		}},
	}
}

func pluginTables() []store.Table {
	return []store.Table{
		{Name: "user", Fields: []*store.Field{
			{Name: "nickName", Type: store.String, Unique: true},
			{Name: "invitedById", Type: store.String, References: &store.Reference{Table: "user", OnDelete: store.SetNull}},
		}},
		{
			Name: "passkey",
			Fields: []*store.Field{
				{Name: "userId", Type: store.String, Required: true, References: &store.Reference{Table: "user"}},
				{Name: "credentialID", Type: store.String, Required: true},
				{Name: "counter", Type: store.Int},
				{Name: "transports", Type: store.Strings},
				{Name: "addedAt", Type: store.Time},
			},
			Indexes: []store.Index{{Fields: []string{"userId", "credentialID"}, Unique: true}},
		},
	}
}

// runPlugin uses a plugin's tables under every naming and every policy for ids.
func runPlugin(t *testing.T, open func(t *testing.T) (store.Store, string), o Options) {
	snake, camel := store.SnakePlural(), store.BetterAuth()
	prefixedSnake, prefixedCamel := snake, camel
	prefixedSnake.Prefix, prefixedCamel.Prefix = "auth_", "app1"
	overridden := snake
	overridden.Prefix = "x_"
	overridden.Tables = map[string]string{"user": "Account", "passkey": "order"}
	overridden.Columns = map[string]string{"user.id": "key", "user.nickName": "Group", "passkey.userId": "select", "session.userId": "from"}
	namings := []struct {
		name   string
		naming store.Naming
	}{
		{"SnakePlural", snake},
		{"BetterAuth", camel},
		{"SnakePlural with a prefix", prefixedSnake},
		{"BetterAuth with a prefix", prefixedCamel},
		{"overridden names", overridden},
	}
	for _, p := range policies() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			v := variant{ids: p.ids, literal: true, options: o, open: open}
			db := v.openDatabase(t)
			for _, n := range namings {
				t.Run(n.name, func(t *testing.T) { v.runPlugin(t, n.naming, db) })
			}
			if o.OpenSchema == nil {
				return
			}
			v.open = o.OpenSchema
			db = v.openDatabase(t)
			t.Run("in a schema", func(t *testing.T) { v.runPlugin(t, overridden, db) })
		})
	}
}

// runPlugin runs the scenario in a database that has, from the runs before it,
// tables of other names.
func (v variant) runPlugin(t *testing.T, n store.Naming, db *database) {
	v.naming = n
	f := &fixture{T: t, variant: v, ctx: t.Context()}
	f.enter(db)
	pluginScenario(f)
	if !f.wipe() {
		t.FailNow()
	}
}

func pluginScenario(f *fixture) {
	at := time.UnixMilli(1700000000123).UTC()
	f.use(coreTables()...)
	old := f.made("user", store.Record{"email": "old@example.com", "emailVerified": true, "createdAt": at}).String("id")
	f.made("session", store.Record{"token": "t0", "userId": old})

	// The plugin comes to an application that has users.
	f.use(append(coreTables(), pluginTables()...)...)
	f.equals(f.byID("user", old), store.Record{
		"id": old, "email": "old@example.com", "emailVerified": true, "createdAt": at, "nickName": nil, "invitedById": nil,
	})
	user := f.made("user", store.Record{"email": "new@example.com", "emailVerified": false, "nickName": "Ada", "invitedById": old})
	id := user.String("id")
	first := f.made("passkey", store.Record{"userId": id, "credentialID": "c1", "counter": 0, "transports": []string{"usb"}, "addedAt": at})
	second := f.made("passkey", store.Record{"userId": id, "credentialID": "c2", "addedAt": at.Add(time.Second)})
	f.made("session", store.Record{"token": "t1", "userId": id})

	byAdded := store.Children{Table: "passkey", As: "passkeys", Sort: []store.Sort{{Field: "addedAt", Desc: true}}}
	got := f.findOne("user", store.Query{
		Where: store.Eq("nickName", "ADA").Fold(), Join: []string{"invitedById"}, Children: children(byAdded, withSessions),
	})
	f.joins(got, "passkeys", second.String("id"), first.String("id"))
	if got.Record("invitedBy")["email"] != "old@example.com" || len(got.Records("session")) != 1 {
		f.Errorf("the user is %v", got)
	}
	f.equals(f.child(got, "passkeys", 1), first)
	got = f.findOne("session", store.Query{Where: store.Eq("token", "t1"), Join: []string{"userId"}})
	f.equals(got.Record("user"), user)

	_, err := f.store.Create(f.Context(), f.table("user"), f.withID("user", store.Record{"email": "x@example.com", "emailVerified": true, "nickName": "Ada"}))
	f.duplicates("a taken nickname", err, "user", "nickName")
	_, err = f.store.Create(f.Context(), f.table("passkey"), f.withID("passkey", store.Record{"userId": id, "credentialID": "c1"}))
	f.duplicates("a taken credential", err, "passkey", "userId", "credentialID")
	_, err = f.store.Create(f.Context(), f.table("user"), f.withID("user", store.Record{"email": "x@example.com"}))
	f.fails("Create without a required field", err, store.ErrInvalid)

	key := store.And(store.Eq("id", first["id"]), store.Eq("userId", id))
	for want := range int64(3) {
		if got := f.add("passkey", store.And(key, store.Lt("counter", 3)), deltas{"counter": 1}, store.Record{"addedAt": at})["counter"]; got != want+1 {
			f.Errorf("the counter is %v, want %d", got, want+1)
		}
	}
	_, err = f.store.Add(f.Context(), f.table("passkey"), store.And(key, store.Lt("counter", 3)), deltas{"counter": 1}, nil)
	f.fails("Add past the guard", err, store.ErrNotFound)
	taken, err := f.store.Take(f.Context(), f.table("passkey"), store.Eq("credentialID", "c2"))
	if err != nil || taken["id"] != second["id"] {
		f.Errorf("Take: %v, %v", taken, err)
	}
	if n := f.update("user", store.Eq("invitedById", old), store.Record{"nickName": "Eve"}); n != 1 {
		f.Errorf("Update matched %d rows, want 1", n)
	}

	f.delete("user", store.Eq("id", old))
	f.matches("user", store.And(store.Eq("invitedById", nil), store.Eq("nickName", "Eve")), id)
	if n := f.count("session", store.Where{}); n != 1 {
		f.Errorf("%d sessions are left, want 1", n)
	}
	f.delete("user", store.Eq("id", id))
	if n := fmt.Sprint(f.count("passkey", store.Where{}), f.count("session", store.Where{})); n != "0 0" {
		f.Errorf("passkeys and sessions of a deleted user: %s", n)
	}
}
