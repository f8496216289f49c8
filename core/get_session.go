package core

import (
	"context"
	"net/http"
)

// GetSessionInput is what GET /get-session takes.
type GetSessionInput struct {
	// DisableCookieCache asks for the stored session. It always is: no copy of
	// it is kept in cookies.
	DisableCookieCache Truthy `json:"disableCookieCache" in:"query"`
	// DisableRefresh leaves the session as it is. It has the same effect on
	// every endpoint that asks for a session.
	DisableRefresh Truthy `json:"disableRefresh" in:"query"`
}

// GetSessionOutput is what it answers; nil when nobody is signed in.
type GetSessionOutput struct {
	Session *Session `json:"session"`
	User    *User    `json:"user"`
}

var getSession = &Endpoint[GetSessionInput, *GetSessionOutput]{
	Method: http.MethodGet, Path: "/get-session",
	Do: func(ctx context.Context, r *Request, _ GetSessionInput) (*GetSessionOutput, error) {
		r.out.Set("Pragma", "no-cache")
		id, err := r.Identity(ctx)
		if err != nil || id == nil {
			return nil, err
		}
		return &GetSessionOutput{id.Session, id.User}, nil
	},
}

// postGetSession is there for clients of servers that put off refreshing.
var postGetSession = &Endpoint[Nothing, *GetSessionOutput]{
	Method: http.MethodPost, Path: "/get-session",
	Do: func(_ context.Context, r *Request, _ Nothing) (*GetSessionOutput, error) {
		r.out.Set("Pragma", "no-cache")
		return nil, ErrMethodNotAllowed
	},
}

// GetSession returns the session that the request brings, with its user; the
// reply's Value is nil when nobody is signed in.
func (a *Auth) GetSession(ctx context.Context) (*Reply[*GetSessionOutput], error) {
	return getSession.Call(ctx, a, GetSessionInput{})
}
