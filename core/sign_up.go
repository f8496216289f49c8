package core

import (
	"context"
	"errors"
	"net/http"

	"github.com/ostiary/ostiary/internal/random"
	"github.com/ostiary/ostiary/store"
)

// SignUpEmailInput is what POST /sign-up/email takes.
type SignUpEmailInput struct {
	Name        string  `json:"name" max:"255"`
	Email       string  `json:"email" check:"email"`
	Password    string  `json:"password" check:"nonempty"`
	Image       *string `json:"image" max:"2048"`
	CallbackURL *string `json:"callbackURL"`
	RememberMe  *bool   `json:"rememberMe"`
	// Fields are values of additional fields of the user.
	Fields map[string]any `json:",unknown"`
}

// SignUpEmailOutput is what it answers.
type SignUpEmailOutput struct {
	// Token is the new session's, nil where sign-up does not sign in.
	Token *string `json:"token"`
	User  *User   `json:"user"`
}

var signUpEmail = &Endpoint[SignUpEmailInput, *SignUpEmailOutput]{
	Method: http.MethodPost, Path: "/sign-up/email", Form: true, SignsIn: true,
	Do: doSignUpEmail,
}

// SignUpEmail makes a user with an e-mail and a password and, unless
// configured otherwise, signs it in.
func (a *Auth) SignUpEmail(ctx context.Context, in SignUpEmailInput) (*Reply[*SignUpEmailOutput], error) {
	return signUpEmail.Call(ctx, a, in)
}

func doSignUpEmail(ctx context.Context, r *Request, in SignUpEmailInput) (*SignUpEmailOutput, error) {
	a := r.auth
	cfg := a.cfg.EmailPassword
	if !cfg.Enabled || cfg.DisableSignUp {
		return nil, ErrSignUpDisabled
	}
	if err := a.checkLength(in.Password); err != nil {
		return nil, err
	}
	fields, err := inputFields(a.Users().table(), in.Fields, true)
	if err != nil {
		return nil, err
	}
	signsIn := !cfg.DisableAutoSignIn && !cfg.RequireVerification

	// Asking first spares the hash where the answer is no anyway. The unique
	// index decides among those who ask at once.
	_, err = a.Users().ByEmail(ctx, in.Email)
	switch {
	case err == nil && signsIn:
		return nil, ErrUserExists
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	taken := err == nil
	hash, err := a.hasher.Hash(ctx, in.Password)
	if err != nil {
		return nil, err
	}
	n := NewUser{Name: in.Name, Email: in.Email, Image: in.Image, Fields: fields}
	var user *User
	if !taken {
		user, err = a.createWithPassword(ctx, n, hash)
		taken = emailTaken(err)
	}
	if taken && !signsIn {
		user, err = a.pretendToCreate(ctx, n, hash)
	}
	switch {
	case emailTaken(err):
		return nil, ErrUserExists
	case errors.Is(err, store.ErrDuplicate), errors.Is(err, store.ErrReference):
		return nil, ErrCreateUser.Because(err)
	case errors.Is(err, ErrAborted):
		return nil, ErrCreateUser.withStatus(http.StatusBadRequest).Because(err)
	case err != nil:
		return nil, err
	case !signsIn:
		return &SignUpEmailOutput{User: user}, nil
	}
	id, err := a.sessions.Issue(ctx, r, user, in.RememberMe == nil || *in.RememberMe)
	if errors.Is(err, ErrCreateSession) {
		return nil, ErrCreateSession.withStatus(http.StatusBadRequest).Because(err)
	}
	if err != nil {
		return nil, err
	}
	return &SignUpEmailOutput{Token: &id.Session.Token, User: user}, nil
}

// createWithPassword makes the user and the account together or not at all.
func (a *Auth) createWithPassword(ctx context.Context, n NewUser, hash string) (user *User, err error) {
	err = a.db.Tx(ctx, func(ctx context.Context) error {
		if user, err = a.Users().Create(ctx, n); err != nil {
			return err
		}
		return a.Accounts().CreateCredential(ctx, user.ID, hash)
	})
	return user, err
}

// emailTaken reports whether a user could not be made because somebody has
// the e-mail.
func emailTaken(err error) bool {
	var dup *store.DuplicateError
	return errors.As(err, &dup) && dup.Table == TableUser && (len(dup.Fields) == 0 || dup.Fields[0] == "email")
}

// pretendToCreate does what a sign-up does for an address that is not taken, and
// takes it back, so that nobody learns from the answer or its time who has an
// account here: the same hooks, the same constraints, the same statements, with
// another address in the row.
func (a *Auth) pretendToCreate(ctx context.Context, n NewUser, hash string) (*User, error) {
	users, accounts := a.Users().table(), a.db.schema.Table(TableAccount)
	r, err := a.db.complete(users, n.record(a.now()))
	if err != nil {
		return nil, err
	}
	if a.db.queueOf(ctx) != nil {
		// Nothing can be taken back of a transaction that others are part of.
		return a.inventUser(users, r)
	}
	var row store.Record
	err = a.db.Tx(ctx, func(ctx context.Context) error {
		var err error
		if row, err = a.db.aroundCreate(ctx, users, r.Clone(), a.insertUnderOtherEmail); err != nil {
			return err
		}
		account, err := a.db.complete(accounts, credentialRecord(row.String(store.ID), hash, a.now()))
		if err != nil {
			return err
		}
		_, err = a.db.aroundCreate(ctx, accounts, account, func(ctx context.Context, r store.Record) (store.Record, error) {
			return a.db.store.Create(ctx, accounts, r)
		})
		if err != nil {
			return err
		}
		return errPretended
	})
	if !errors.Is(err, errPretended) {
		return nil, err
	}
	if a.db.schema.IDs().Kind() == store.SerialID {
		if row[store.ID], err = a.spendID(ctx, row); err != nil {
			return nil, err
		}
	}
	return userFrom(users, row), nil
}

func (a *Auth) inventUser(t *store.Table, r store.Record) (*User, error) {
	for _, f := range t.Fields {
		if _, ok := r[f.Name]; !ok {
			r[f.Name] = nil
		}
	}
	var err error
	if r[store.ID] == nil {
		if r[store.ID], err = a.db.newID(t); err != nil {
			return nil, err
		}
	}
	if r, err = t.Canonical(r); err != nil {
		return nil, err
	}
	return userFrom(t, r), nil
}

var errPretended = errors.New("only pretended")

// insertUnderOtherEmail inserts a row that keeps nobody's address.
func (a *Auth) insertUnderOtherEmail(ctx context.Context, r store.Record) (store.Record, error) {
	other, err := random.Text(a.cfg.Rand, tokenLength)
	if err != nil {
		return nil, err
	}
	email := r["email"]
	r = r.Clone()
	r["email"] = other + "@invalid"
	row, err := a.db.store.Create(ctx, a.Users().table(), r)
	if err != nil {
		return nil, err
	}
	row["email"] = email
	return row, nil
}

// spendID is a number that the database has counted and gives to nobody else.
// Where it counts inside of transactions, as SQLite does, a roll-back would give
// it to the next one.
func (a *Auth) spendID(ctx context.Context, row store.Record) (id string, err error) {
	r := row.Clone()
	delete(r, store.ID)
	err = a.db.Tx(ctx, func(ctx context.Context) error {
		made, err := a.insertUnderOtherEmail(ctx, r)
		if err != nil {
			return err
		}
		id = made.String(store.ID)
		_, err = a.db.store.Delete(ctx, a.Users().table(), store.Eq(store.ID, id))
		return err
	})
	return id, err
}
