package core

import (
	"context"
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/ostiary/ostiary/store"
)

// Users reads and writes users. It is safe for concurrent use.
type Users struct{ auth *Auth }

// NewUser is what a user is made from.
type NewUser struct {
	Name          string
	Email         string // lower-cased
	EmailVerified bool
	Image         *string
	// Fields are values of additional fields. Those left out get their default.
	Fields map[string]any
}

// UserChange says what to change of a user; nil leaves a field as it is.
type UserChange struct {
	Name          *string
	EmailVerified *bool
	// Image set to a pointer to nil removes the image.
	Image  **string
	Fields map[string]any
}

func (u *Users) table() *store.Table { return u.auth.db.schema.Table(TableUser) }

// record is the user as a row.
func (u *User) record() store.Record {
	r := store.Record{
		store.ID: u.ID, "name": u.Name, "email": u.Email, "emailVerified": u.EmailVerified, "image": nil,
		"createdAt": u.CreatedAt, "updatedAt": u.UpdatedAt,
	}
	if u.Image != nil {
		r["image"] = *u.Image
	}
	maps.Copy(r, u.Fields)
	return r
}

// Create inserts a user without any account. It fails with
// [store.ErrDuplicate] when the e-mail is taken, however its letters are
// written.
func (u *Users) Create(ctx context.Context, n NewUser) (*User, error) {
	row, err := u.auth.db.Create(ctx, TableUser, n.record(u.auth.now()))
	if err != nil {
		return nil, err
	}
	return userFrom(u.table(), row), nil
}

func (n NewUser) record(at time.Time) store.Record {
	now := store.CanonicalTime(at)
	r := store.Record{
		"name": n.Name, "email": normalEmail(n.Email), "emailVerified": n.EmailVerified,
		"createdAt": now, "updatedAt": now,
	}
	if n.Image != nil {
		r["image"] = *n.Image
	}
	maps.Copy(r, n.Fields)
	return r
}

// ByID returns the user, or an error that wraps [store.ErrNotFound].
func (u *Users) ByID(ctx context.Context, id string) (*User, error) {
	return u.find(ctx, store.Eq(store.ID, id))
}

// ByEmail returns the user with the e-mail, however its letters are written,
// or an error that wraps [store.ErrNotFound].
func (u *Users) ByEmail(ctx context.Context, email string) (*User, error) {
	return u.find(ctx, store.Eq("email", normalEmail(email)))
}

func (u *Users) find(ctx context.Context, w store.Where) (*User, error) {
	row, err := u.auth.db.FindOne(ctx, TableUser, store.Query{Where: w})
	if err != nil {
		return nil, err
	}
	return userFrom(u.table(), row), nil
}

// Update changes a user and what sessions know of it, and returns the user as
// it is then; [store.ErrNotFound] when there is none.
func (u *Users) Update(ctx context.Context, id string, c UserChange) (*User, error) {
	set := store.Record{"updatedAt": store.CanonicalTime(u.auth.now())}
	if c.Name != nil {
		set["name"] = *c.Name
	}
	if c.EmailVerified != nil {
		set["emailVerified"] = *c.EmailVerified
	}
	if c.Image != nil {
		set["image"] = nil
		if *c.Image != nil {
			set["image"] = **c.Image
		}
	}
	maps.Copy(set, c.Fields)
	row, err := u.auth.db.Add(ctx, TableUser, store.Eq(store.ID, id), nil, set)
	if err != nil {
		return nil, err
	}
	return userFrom(u.table(), row), nil
}

// Delete ends the user's sessions and removes the user with all accounts. A
// user that is not there is no error.
func (u *Users) Delete(ctx context.Context, id string) error {
	return u.auth.db.Tx(ctx, func(ctx context.Context) error {
		if err := u.auth.sessions.RevokeAll(ctx, id, nil); err != nil {
			return err
		}
		if _, err := u.auth.db.Delete(ctx, TableAccount, store.Eq("userId", id)); err != nil {
			return err
		}
		_, err := u.auth.db.Delete(ctx, TableUser, store.Eq(store.ID, id))
		return err
	})
}

// Accounts reads and writes the ways in which users sign in. It is safe for
// concurrent use.
type Accounts struct{ auth *Auth }

// Credential returns the user's account for signing in with a password, or an
// error that wraps [store.ErrNotFound].
func (c *Accounts) Credential(ctx context.Context, userID string) (*Account, error) {
	row, err := c.auth.db.FindOne(ctx, TableAccount, store.Query{
		Where: store.And(store.Eq("userId", userID), store.Eq("providerId", ProviderCredential)),
	})
	if err != nil {
		return nil, err
	}
	return accountFrom(c.auth.db.schema.Table(TableAccount), row), nil
}

// CreateCredential gives the user a password, by its hash.
func (c *Accounts) CreateCredential(ctx context.Context, userID, passwordHash string) error {
	_, err := c.auth.db.Create(ctx, TableAccount, credentialRecord(userID, passwordHash, c.auth.now()))
	return err
}

func credentialRecord(userID, passwordHash string, at time.Time) store.Record {
	now := store.CanonicalTime(at)
	return store.Record{
		"providerId": ProviderCredential, "accountId": userID, "userId": userID, "password": passwordHash,
		"createdAt": now, "updatedAt": now,
	}
}

// replacePassword writes a new hash over the one that was verified. It reports
// whether that one was still in place.
func (c *Accounts) replacePassword(ctx context.Context, account *Account, hash string) (bool, error) {
	_, err := c.auth.db.Add(ctx, TableAccount,
		store.And(store.Eq(store.ID, account.ID), store.Eq("password", account.Password)), nil,
		store.Record{"password": hash, "updatedAt": store.CanonicalTime(c.auth.now())})
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// normalEmail is the one spelling under which an address is kept and looked
// up.
func normalEmail(email string) string { return strings.ToLower(email) }
