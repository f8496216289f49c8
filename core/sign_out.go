package core

import (
	"context"
	"net/http"
)

// Nothing is what an endpoint takes that needs no input.
type Nothing struct{}

// Success is what an endpoint answers that has nothing else to say.
type Success struct {
	Success bool `json:"success"`
}

// Status is what an endpoint answers that has nothing else to say.
type Status struct {
	Status bool `json:"status"`
}

var signOut = &Endpoint[Nothing, Success]{
	Method: http.MethodPost, Path: "/sign-out",
	Do: doSignOut,
}

// SignOut ends the session that the request brings. When it returns nil the
// session is gone for good; one that is not there is no error.
func (a *Auth) SignOut(ctx context.Context) (*Reply[Success], error) {
	return signOut.Call(ctx, a, Nothing{})
}

// doSignOut answers only after the session has been removed: a sign-out that
// did not happen must not look like one.
func doSignOut(ctx context.Context, r *Request, _ Nothing) (Success, error) {
	a := r.auth
	if token, _, ok := a.cookies.readSigned(r.header, a.cookies.sessionToken); ok {
		if err := a.sessions.endByToken(ctx, "", token); err != nil {
			return Success{}, err
		}
	}
	a.cookies.clearSession(r.out)
	r.become(nil)
	return Success{true}, nil
}
