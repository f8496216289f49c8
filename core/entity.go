package core

import (
	"time"

	"github.com/ostiary/ostiary/store"
)

// User is a person or machine that can sign in.
type User struct {
	ID            string
	Name          string
	Email         string // lower case
	EmailVerified bool
	Image         *string // nil: none
	CreatedAt     time.Time
	UpdatedAt     time.Time
	// Fields are the additional fields by name, with the canonical values of
	// [store.Record]; those that are not returned to clients are here too.
	Fields map[string]any

	table *store.Table
}

// Session is a signed-in browser or device.
type Session struct {
	ID        string
	UserID    string
	ExpiresAt time.Time
	CreatedAt time.Time
	UpdatedAt time.Time
	// IPAddress and UserAgent are those of the sign-in, or empty.
	IPAddress string
	UserAgent string
	// Token is the secret of the caller's own session. For any other session it
	// is a handle, which names the session where it is to be revoked and opens
	// nothing.
	Token string
	// Fields are the additional fields; see [User].
	Fields map[string]any

	hash  string
	table *store.Table
}

// Account is one way in which a user can sign in: a password, or an account at
// a provider.
type Account struct {
	ID         string
	UserID     string
	ProviderID string // "credential" for a password
	AccountID  string // the user's id at the provider
	Password   string // the hash, or empty
	CreatedAt  time.Time
	UpdatedAt  time.Time
	// Fields are the additional fields; see [User].
	Fields map[string]any
}

// ProviderCredential is the [Account.ProviderID] of a password.
const ProviderCredential = "credential"

// Identity is a session with its user.
type Identity struct {
	User    *User
	Session *Session
}

func userFrom(t *store.Table, r store.Record) *User {
	u := &User{
		ID: r.String(store.ID), Name: r.String("name"), Email: r.String("email"),
		EmailVerified: r.Bool("emailVerified"),
		CreatedAt:     r.Time("createdAt"), UpdatedAt: r.Time("updatedAt"),
		Fields: additional(t, r), table: t,
	}
	if image, ok := r["image"].(string); ok {
		u.Image = &image
	}
	return u
}

func sessionFrom(t *store.Table, r store.Record) *Session {
	s := &Session{
		ID: r.String(store.ID), UserID: r.String("userId"),
		ExpiresAt: r.Time("expiresAt"), CreatedAt: r.Time("createdAt"), UpdatedAt: r.Time("updatedAt"),
		IPAddress: r.String("ipAddress"), UserAgent: r.String("userAgent"),
		Fields: additional(t, r), hash: r.String("token"), table: t,
	}
	s.Token = handlePrefix + s.ID
	return s
}

func accountFrom(t *store.Table, r store.Record) *Account {
	return &Account{
		ID: r.String(store.ID), UserID: r.String("userId"),
		ProviderID: r.String("providerId"), AccountID: r.String("accountId"), Password: r.String("password"),
		CreatedAt: r.Time("createdAt"), UpdatedAt: r.Time("updatedAt"), Fields: additional(t, r),
	}
}

// coreFields are the fields of the entities that have a place of their own.
var coreFields = func() map[string]map[string]bool {
	all := map[string]map[string]bool{}
	for _, t := range coreTables() {
		names := map[string]bool{store.ID: true}
		for _, f := range t.Fields {
			names[f.Name] = true
		}
		all[t.Name] = names
	}
	return all
}()

// additionalFields are the fields that the application and the plugins added.
func additionalFields(t *store.Table) []*store.Field {
	known := coreFields[t.Name]
	if len(t.Fields) == len(known) {
		return nil // the usual case
	}
	var out []*store.Field
	for _, f := range t.Fields {
		if !known[f.Name] {
			out = append(out, f)
		}
	}
	return out
}

func additional(t *store.Table, r store.Record) map[string]any {
	fields := additionalFields(t)
	if len(fields) == 0 {
		return nil
	}
	out := make(map[string]any, len(fields))
	for _, f := range fields {
		out[f.Name] = r[f.Name]
	}
	return out
}

// MarshalJSON writes what a client may see, in the order of the wire protocol.
func (u User) MarshalJSON() ([]byte, error) {
	m := []member{
		{"name", u.Name},
		{"email", u.Email},
		{"emailVerified", u.EmailVerified},
		{"image", u.Image},
		{"createdAt", u.CreatedAt},
		{"updatedAt", u.UpdatedAt},
	}
	return encodeObject(append(appendReturned(m, u.table, u.Fields), member{"id", u.ID}))
}

// MarshalJSON writes what a client may see, in the order of the wire protocol.
func (s Session) MarshalJSON() ([]byte, error) {
	m := []member{
		{"expiresAt", s.ExpiresAt},
		{"token", s.Token},
		{"createdAt", s.CreatedAt},
		{"updatedAt", s.UpdatedAt},
		{"ipAddress", s.IPAddress},
		{"userAgent", s.UserAgent},
		{"userId", s.UserID},
	}
	return encodeObject(append(appendReturned(m, s.table, s.Fields), member{"id", s.ID}))
}

func appendReturned(m []member, t *store.Table, fields map[string]any) []member {
	if t == nil {
		return m
	}
	for _, f := range additionalFields(t) {
		if f.Returned {
			m = append(m, member{f.Name, fields[f.Name]})
		}
	}
	return m
}
