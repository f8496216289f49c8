package core

import (
	"context"
	"net/http"
)

var listSessions = &Endpoint[Nothing, []*Session]{
	Method: http.MethodGet, Path: "/list-sessions", Guard: NeedsFresh,
	Do: func(ctx context.Context, r *Request, _ Nothing) ([]*Session, error) {
		id, err := r.auth.Authenticate(ctx)
		if err != nil {
			return nil, err
		}
		sessions, err := r.auth.sessions.List(ctx, id.User.ID)
		if err != nil {
			return nil, err
		}
		for _, s := range sessions {
			if s.ID == id.Session.ID {
				s.Token = id.Session.Token
			}
		}
		if sessions == nil {
			sessions = []*Session{}
		}
		return sessions, nil
	},
}

// ListSessions returns the live sessions of the request's user. The request's
// own carries its token, the others a handle.
func (a *Auth) ListSessions(ctx context.Context) (*Reply[[]*Session], error) {
	return listSessions.Call(ctx, a, Nothing{})
}

// RevokeSessionInput is what POST /revoke-session takes.
type RevokeSessionInput struct {
	// Token is a session's token, or its handle from /list-sessions.
	Token string `json:"token"`
}

var revokeSession = &Endpoint[RevokeSessionInput, Status]{
	Method: http.MethodPost, Path: "/revoke-session", Guard: NeedsSession,
	Do: func(ctx context.Context, r *Request, in RevokeSessionInput) (Status, error) {
		a := r.auth
		id, err := a.Authenticate(ctx)
		if err != nil {
			return Status{}, err
		}
		if err := a.sessions.Revoke(ctx, id.User.ID, in.Token); err != nil {
			return Status{}, err
		}
		if in.Token == id.Session.Token || in.Token == handlePrefix+id.Session.ID {
			a.cookies.clearSession(r.out)
		}
		return Status{true}, nil
	},
}

// RevokeSession ends one session of the request's user. One that is not there,
// or is somebody else's, is no error.
func (a *Auth) RevokeSession(ctx context.Context, in RevokeSessionInput) (*Reply[Status], error) {
	return revokeSession.Call(ctx, a, in)
}

var revokeSessions = &Endpoint[Nothing, Status]{
	Method: http.MethodPost, Path: "/revoke-sessions", Guard: NeedsSession,
	Do: func(ctx context.Context, r *Request, _ Nothing) (Status, error) {
		a := r.auth
		id, err := a.Authenticate(ctx)
		if err != nil {
			return Status{}, err
		}
		if err := a.sessions.RevokeAll(ctx, id.User.ID, nil); err != nil {
			return Status{}, err
		}
		a.cookies.clearSession(r.out)
		return Status{true}, nil
	},
}

// RevokeSessions ends every session of the request's user.
func (a *Auth) RevokeSessions(ctx context.Context) (*Reply[Status], error) {
	return revokeSessions.Call(ctx, a, Nothing{})
}

var revokeOtherSessions = &Endpoint[Nothing, Status]{
	Method: http.MethodPost, Path: "/revoke-other-sessions", Guard: NeedsSession,
	Do: func(ctx context.Context, r *Request, _ Nothing) (Status, error) {
		id, err := r.auth.Authenticate(ctx)
		if err != nil {
			return Status{}, err
		}
		if err := r.auth.sessions.RevokeAll(ctx, id.User.ID, id.Session); err != nil {
			return Status{}, err
		}
		return Status{true}, nil
	},
}

// RevokeOtherSessions ends every session of the request's user but the
// request's own.
func (a *Auth) RevokeOtherSessions(ctx context.Context) (*Reply[Status], error) {
	return revokeOtherSessions.Call(ctx, a, Nothing{})
}
