package store_test

import (
	"testing"

	"github.com/ostiary/ostiary/store"
)

func TestNamingPresets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ table, field, dbTable, column string }{
		{"user", "emailVerified", "users", "email_verified"},
		{"session", "ipAddress", "sessions", "ip_address"},
		{"verification", "expiresAt", "verifications", "expires_at"},
		{"rateLimit", "lastRequest", "rate_limits", "last_request"},
		{"twoFactor", "backupCodes", "two_factors", "backup_codes"},
		{"oauthAccessToken", "clientID", "oauth_access_tokens", "client_id"},
		{"passkey", "publicKey", "passkeys", "public_key"},
		{"policy", "htmlURLSafe", "policies", "html_url_safe"},
		{"address", "line2", "addresses", "line2"},
		{"box", "URL", "boxes", "url"},
		{"batch", "x", "batches", "x"},
		{"wish", "aB", "wishes", "a_b"},
		{"team_member", "already_snake", "team_members", "already_snake"},
		{"y", "Upper", "ys", "upper"},
	} {
		decl := table(c.table, text(c.field))
		for preset, n := range map[string]store.Naming{"zero": {}, "SnakePlural": store.SnakePlural()} {
			got := compile(t, n, decl).Table(c.table)
			if got.DBName() != c.dbTable || got.Field(c.field).DBName() != c.column {
				t.Errorf("%s: %s.%s is %s.%s, want %s.%s", preset, c.table, c.field, got.DBName(), got.Field(c.field).DBName(), c.dbTable, c.column)
			}
		}
		got := compile(t, store.BetterAuth(), decl).Table(c.table)
		if got.DBName() != c.table || got.Field(c.field).DBName() != c.field {
			t.Errorf("BetterAuth: %s.%s is %s.%s", c.table, c.field, got.DBName(), got.Field(c.field).DBName())
		}
	}
}

func TestNamesAreOverridden(t *testing.T) {
	t.Parallel()
	n := store.SnakePlural()
	n.Tables = map[string]string{"user": "accounts_of_people"}
	n.Columns = map[string]string{"user.createdAt": "born", "session.id": "sid"}
	s := compile(t, n, table("user", text("createdAt"), text("updatedAt")), table("session", text("createdAt")))
	for _, c := range []struct{ table, field, dbTable, column string }{
		{"user", "createdAt", "accounts_of_people", "born"},
		{"user", "updatedAt", "accounts_of_people", "updated_at"},
		{"user", "id", "accounts_of_people", "id"},
		{"session", "createdAt", "sessions", "created_at"},
		{"session", "id", "sessions", "sid"},
	} {
		got := s.Table(c.table)
		if got.DBName() != c.dbTable || got.Field(c.field).DBName() != c.column {
			t.Errorf("%s.%s is %s.%s, want %s.%s", c.table, c.field, got.DBName(), got.Field(c.field).DBName(), c.dbTable, c.column)
		}
	}
}

func TestAnOverrideAloneKeepsTheDefaultPreset(t *testing.T) {
	t.Parallel()
	s := compile(t, store.Naming{Tables: map[string]string{"user": "people"}}, table("user", text("createdAt")), table("session"))
	if s.Table("user").DBName() != "people" || s.Table("user").Field("createdAt").DBName() != "created_at" || s.Table("session").DBName() != "sessions" {
		t.Errorf("named %s.%s and %s", s.Table("user").DBName(), s.Table("user").Field("createdAt").DBName(), s.Table("session").DBName())
	}
}

func TestHalfANamingLeavesTheOtherHalfLogical(t *testing.T) {
	t.Parallel()
	prefix := store.Naming{Table: func(t string) string { return "auth_" + t }}
	s := compile(t, prefix, table("user", text("createdAt")))
	if s.Table("user").DBName() != "auth_user" || s.Table("user").Field("createdAt").DBName() != "createdAt" {
		t.Errorf("named %s.%s", s.Table("user").DBName(), s.Table("user").Field("createdAt").DBName())
	}
	perTable := store.Naming{Column: func(table, field string) string { return table + "_" + field }}
	s = compile(t, perTable, table("user", text("createdAt")))
	if s.Table("user").DBName() != "user" || s.Table("user").Field("createdAt").DBName() != "user_createdAt" {
		t.Errorf("named %s.%s", s.Table("user").DBName(), s.Table("user").Field("createdAt").DBName())
	}
}

func TestANamingThatMakesNamesNoDatabaseTakesIsRefused(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "a b", `a"b`, "a;b", "1a", "ä"} {
		n := store.BetterAuth()
		n.Tables = map[string]string{"user": bad}
		if _, err := store.NewSchema(n, store.IDs{}, table("user")); err == nil {
			t.Errorf("a table named %q is accepted", bad)
		}
		n = store.BetterAuth()
		n.Columns = map[string]string{"user.name": bad}
		if _, err := store.NewSchema(n, store.IDs{}, table("user", text("name"))); err == nil {
			t.Errorf("a column named %q is accepted", bad)
		}
	}
}

func TestAPrefixStandsBeforeTheNamesThatAreMade(t *testing.T) {
	t.Parallel()
	s := compile(t, store.Naming{Prefix: "auth_", Tables: map[string]string{"session": "sessions"}}, table("user", text("createdAt")), table("session"), table("jwks"))
	for name, want := range map[string]string{"user": "auth_users", "session": "sessions", "jwks": "auth_jwks"} {
		if got := s.Table(name).DBName(); got != want {
			t.Errorf("%s is named %q, want %q", name, got, want)
		}
	}
	better := store.BetterAuth()
	better.Prefix = "auth_"
	prefixed := compile(t, better, table("user"))
	if got := prefixed.Table("user").DBName(); got != "auth_user" || prefixed.Prefix() != "auth_" {
		t.Errorf("named %q, with the prefix %q", got, prefixed.Prefix())
	}
	for _, bad := range []string{"a b", `a"`, "1"} {
		n := store.Naming{Prefix: bad, Tables: map[string]string{"user": "people"}}
		if _, err := store.NewSchema(n, store.IDs{}, table("user")); err == nil {
			t.Errorf("the prefix %q is accepted", bad)
		}
	}
}

func TestASchemaOfTheDatabaseQualifiesTheTables(t *testing.T) {
	t.Parallel()
	if got := compile(t, store.Naming{Schema: "auth"}, table("user")).Table("user").DBSchema(); got != "auth" {
		t.Errorf("in schema %q", got)
	}
	for _, bad := range []string{"a b", `a"b`, "1", "a.b"} {
		if _, err := store.NewSchema(store.Naming{Schema: bad}, store.IDs{}, table("user")); err == nil {
			t.Errorf("a schema named %q is accepted", bad)
		}
	}
}

func TestNamesThatADatabaseOrAClientKeepsForItselfAreRefused(t *testing.T) {
	t.Parallel()
	for _, decl := range []store.Table{table("user", text("__proto__")), table("user", text("constructor")), table("user", text("prototype")), table("sqliteThing")} {
		if _, err := store.NewSchema(store.Naming{}, store.IDs{}, decl); err == nil {
			t.Errorf("%s with %d fields is accepted", decl.Name, len(decl.Fields))
		}
	}
}

func TestOverridesOfNothingAreRefused(t *testing.T) {
	t.Parallel()
	for _, n := range []store.Naming{
		{Tables: map[string]string{"usr": "people"}},
		{Columns: map[string]string{"users.createdAt": "born"}},
		{Columns: map[string]string{"user.created": "born"}},
		{Columns: map[string]string{"createdAt": "born"}},
	} {
		if _, err := store.NewSchema(n, store.IDs{}, table("user", text("createdAt"))); err == nil {
			t.Errorf("%v %v is accepted", n.Tables, n.Columns)
		}
	}
}
