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
	if taken {
		return a.pretendSignUp(ctx, in, fields)
	}
	user, err := a.createWithPassword(ctx, NewUser{Name: in.Name, Email: in.Email, Image: in.Image, Fields: fields}, hash)
	switch {
	case errors.Is(err, store.ErrDuplicate):
		return a.refuseDuplicate(ctx, err, in, fields, signsIn)
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

// refuseDuplicate answers a sign-up that lost against another at the last
// moment. A duplicate in any other field than the e-mail is told as what it
// is.
func (a *Auth) refuseDuplicate(ctx context.Context, err error, in SignUpEmailInput, fields map[string]any, signsIn bool) (*SignUpEmailOutput, error) {
	var dup *store.DuplicateError
	if errors.As(err, &dup) && len(dup.Fields) > 0 && dup.Fields[0] != "email" {
		return nil, ErrCreateUser.Because(err)
	}
	if signsIn {
		return nil, ErrUserExists
	}
	return a.pretendSignUp(ctx, in, fields)
}

// pretendSignUp answers as if the user had been made, so that nobody learns
// who has an account here.
func (a *Auth) pretendSignUp(ctx context.Context, in SignUpEmailInput, given map[string]any) (*SignUpEmailOutput, error) {
	t := a.Users().table()
	fields, err := missingDefaults(t, given)
	if err != nil {
		return nil, err
	}
	now := store.CanonicalTime(a.now())
	user := &User{
		Name: in.Name, Email: normalEmail(in.Email), Image: in.Image,
		CreatedAt: now, UpdatedAt: now, Fields: fields, table: t,
	}
	if user.ID, err = a.unusedID(ctx, user); err != nil {
		return nil, err
	}
	return &SignUpEmailOutput{User: user}, nil
}

// unusedID is an id such as the user would get. Where the database makes the
// ids it makes this one too, for a row that is deleted before anybody sees it:
// nobody could invent one that looks no different.
func (a *Auth) unusedID(ctx context.Context, user *User) (id string, err error) {
	t := a.Users().table()
	if !a.db.schema.IDs().ByDatabase() {
		return a.db.newID(t)
	}
	r := user.record()
	delete(r, store.ID)
	for _, f := range t.Fields {
		if f.Unique && f.Type == store.String && f.Name != store.ID {
			if r[f.Name], err = random.Text(a.cfg.Rand, tokenLength); err != nil {
				return "", err
			}
		}
	}
	// Past the hooks, which are for rows that stay.
	err = a.db.Tx(ctx, func(ctx context.Context) error {
		row, err := a.db.store.Create(ctx, t, r)
		if err != nil {
			return err
		}
		id = row.String(store.ID)
		_, err = a.db.store.Delete(ctx, t, store.Eq(store.ID, id))
		return err
	})
	return id, err
}
