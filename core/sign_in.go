package core

import (
	"context"
	"errors"
	"net/http"

	"github.com/ostiary/ostiary/internal/input"
	"github.com/ostiary/ostiary/store"
)

// SignInEmailInput is what POST /sign-in/email takes.
type SignInEmailInput struct {
	Email       string  `json:"email"`
	Password    string  `json:"password"`
	CallbackURL *string `json:"callbackURL"`
	RememberMe  *bool   `json:"rememberMe"`
}

// SignInEmailOutput is what it answers.
type SignInEmailOutput struct {
	// Redirect tells the client to go to URL.
	Redirect bool    `json:"redirect"`
	Token    string  `json:"token"`
	URL      *string `json:"url,omitzero"`
	User     *User   `json:"user"`
}

var signInEmail = &Endpoint[SignInEmailInput, *SignInEmailOutput]{
	Method: http.MethodPost, Path: "/sign-in/email", Form: true, SignsIn: true,
	Do: doSignInEmail,
}

// SignInEmail signs a user in by e-mail and password.
func (a *Auth) SignInEmail(ctx context.Context, in SignInEmailInput) (*Reply[*SignInEmailOutput], error) {
	return signInEmail.Call(ctx, a, in)
}

func doSignInEmail(ctx context.Context, r *Request, in SignInEmailInput) (*SignInEmailOutput, error) {
	a := r.auth
	if !a.cfg.EmailPassword.Enabled {
		return nil, ErrPasswordDisabled
	}
	if !input.ValidEmail(in.Email) {
		return nil, ErrInvalidEmail
	}
	if err := a.tooLong(in.Password); err != nil {
		return nil, err
	}
	user, err := a.Users().ByEmail(ctx, in.Email)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	// Nobody's account is looked up as well, so that the time does not tell who
	// exists.
	owner := "nobody"
	if user != nil {
		owner = user.ID
	}
	account, err := a.credentialOf(ctx, owner)
	if err != nil {
		return nil, err
	}
	ok, err := a.verifyPassword(ctx, account, in.Password)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, ErrWrongCredentials
	}
	if a.cfg.EmailPassword.RequireVerification && !user.EmailVerified {
		return nil, ErrEmailNotVerified
	}
	id, err := a.sessions.Issue(ctx, r, user, in.RememberMe == nil || *in.RememberMe)
	if errors.Is(err, store.ErrReference) { // the user has been deleted since
		return nil, ErrWrongCredentials
	}
	if err != nil {
		return nil, err
	}
	if err := a.confirmPassword(ctx, account); err != nil {
		return nil, err
	}
	out := &SignInEmailOutput{Token: id.Session.Token, URL: in.CallbackURL, User: user}
	if in.CallbackURL != nil && *in.CallbackURL != "" {
		out.Redirect = true
		r.out.Set("Location", *in.CallbackURL)
	}
	return out, nil
}
