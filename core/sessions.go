package core

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/internal/random"
	"github.com/ostiary/ostiary/store"
)

// handlePrefix starts the handle that stands for a session of somebody's other
// device. No token starts so: tokens hold letters and digits only.
const handlePrefix = "h_"

// sessionHome is where sessions live. Each method is one step that concurrent
// callers, and a failing storage, cannot leave half done in a way that would
// keep a revoked session alive.
type sessionHome interface {
	// create keeps a new session of the user and returns it as it is kept.
	create(ctx context.Context, session, user store.Record) (store.Record, error)
	// find returns the session with the token hash and its user, or
	// store.ErrNotFound. It is one round trip.
	find(ctx context.Context, hash string) (session, user store.Record, err error)
	// extend writes a new expiry to a session that is still there and returns it
	// as it is then; nil when it is gone. It never brings a session back.
	extend(ctx context.Context, session, user store.Record, expiresAt, now time.Time) (store.Record, error)
	// end removes a session of the user.
	end(ctx context.Context, userID, hash string) error
	// endAll removes all sessions of the user but the one with the hash, which
	// may be empty.
	endAll(ctx context.Context, userID, exceptHash string) error
	// list returns a user's sessions, expired ones perhaps among them.
	list(ctx context.Context, userID string) ([]store.Record, error)
}

// Sessions issues, checks and ends sessions. It is safe for concurrent use.
type Sessions struct {
	auth *Auth
	home sessionHome
}

// Issue makes a session for the user, lets the browser of the request hold
// it, and returns it with its token. Every way to sign in ends here. Without
// remember the session lasts a day, is never extended and ends with the
// browser.
func (s *Sessions) Issue(ctx context.Context, r *Request, user *User, remember bool) (*Identity, error) {
	a := s.auth
	token, err := random.Text(a.cfg.Rand, tokenLength)
	if err != nil {
		return nil, err
	}
	now := store.CanonicalTime(a.now())
	life := a.cfg.Session.ExpiresIn
	if !remember {
		life = min(life, unrememberedLife)
	}
	table := a.db.schema.Table(TableSession)
	hash := hashToken(token)
	row, err := s.home.create(ctx, store.Record{
		"token": hash, "userId": user.ID,
		"expiresAt": now.Add(life), "createdAt": now, "updatedAt": now,
		"ipAddress": r.ClientIP(), "userAgent": r.UserAgent(),
	}, user.record())
	switch {
	case errors.Is(err, ErrAborted):
		return nil, ErrCreateSession.Because(err)
	case err != nil:
		return nil, fmt.Errorf("create session: %w", err)
	case row.String("token") != hash || row.String("userId") != user.ID:
		// Nobody has been given its token; nor must it be seen in a list.
		return nil, errors.Join(errors.New("create session: a hook changed whose session it is"),
			s.home.end(ctx, row.String("userId"), row.String("token")))
	}
	session := sessionFrom(table, row)
	session.Token = token
	id := &Identity{User: user, Session: session}
	// The browser learns of the session when there is one.
	return id, a.db.AfterCommit(ctx, func(context.Context) error {
		a.cookies.setSession(r.out, token, remember, session.ExpiresAt.Sub(now))
		if remember && readCookie(r.header, a.cookies.dontRemember) != "" {
			// The mark of an earlier sign-in would keep this one from being extended.
			a.cookies.clear(r.out, a.cookies.dontRemember)
		}
		r.become(id)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.issued = id
		return nil
	})
}

// withdraw ends the session that a request was given and then refused after
// all, by a hook, and takes its token out of the response.
func (s *Sessions) withdraw(ctx context.Context, r *Request) {
	id := r.Issued()
	if id == nil {
		return
	}
	s.auth.cookies.drop(r.out)
	r.become(nil)
	if err := s.end(context.WithoutCancel(ctx), id.Session); err != nil {
		s.auth.log.ErrorContext(ctx, "session of a refused sign-in was not ended", slog.String("session", id.Session.ID), slog.Any("error", err))
	}
}

// check is the one question every guarded route asks: which session does this
// request bring? nil means none. An error means that nobody can tell; no
// cookie is touched then.
func (s *Sessions) check(ctx context.Context, r *Request) (*Identity, error) {
	a := s.auth
	token, oldSecret, ok := a.cookies.readSigned(r.header, a.cookies.sessionToken)
	if !ok {
		return nil, nil
	}
	hash := hashToken(token)
	row, userRow, err := s.home.find(ctx, hash)
	switch {
	case errors.Is(err, store.ErrNotFound):
		a.cookies.clearSession(r.out)
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("load session: %w", err)
	case subtle.ConstantTimeCompare([]byte(row.String("token")), []byte(hash)) != 1:
		// A storage that mixes up its answers must not sign anybody in.
		return nil, fmt.Errorf("load session: %w: another session's row was returned", store.ErrUnavailable)
	}
	now := store.CanonicalTime(a.now())
	if !row.Time("expiresAt").After(now) {
		if err := s.home.end(r.inLookup(ctx), row.String("userId"), hash); err != nil {
			a.log.WarnContext(ctx, "expired session was not removed", slog.Any("error", err))
		}
		a.cookies.clearSession(r.out)
		return nil, nil
	}
	remember := s.remembered(r, row)
	if remember && !r.disablesRefresh() && s.dueForRefresh(row, now) {
		r.building.Store(s.identity(row, userRow, token)) // for hooks that ask who it is
		row, err = s.refresh(r.inLookup(ctx), r, row, userRow, token, now)
		if err != nil {
			return nil, fmt.Errorf("extend session: %w", err)
		}
		if row == nil {
			a.cookies.clearSession(r.out)
			return nil, nil
		}
	} else if oldSecret {
		a.cookies.setSession(r.out, token, remember, row.Time("expiresAt").Sub(now))
	}
	return s.identity(row, userRow, token), nil
}

// identity is the caller's own session, with its token, and the user.
func (s *Sessions) identity(row, userRow store.Record, token string) *Identity {
	schema := s.auth.db.schema
	session := sessionFrom(schema.Table(TableSession), row)
	session.Token = token
	return &Identity{User: userFrom(schema.Table(TableUser), userRow), Session: session}
}

// remembered reports whether the session may be extended: neither the browser
// carries the mark of a user who does not want that, nor has the session the
// life of one whose mark was lost.
func (s *Sessions) remembered(r *Request, row store.Record) bool {
	if s.auth.cookies.dontRememberSet(r.header) {
		return false
	}
	life := row.Time("expiresAt").Sub(row.Time("updatedAt"))
	return life != unrememberedLife || s.auth.cfg.Session.ExpiresIn == unrememberedLife
}

// dueForRefresh reports whether the last extension is long enough ago.
func (s *Sessions) dueForRefresh(row store.Record, now time.Time) bool {
	c := s.auth.cfg.Session
	due := row.Time("expiresAt").Add(-c.ExpiresIn).Add(max(c.UpdateAge, 0))
	return !due.After(now)
}

// refresh extends the session and returns it; nil when it is gone, or a hook
// has aborted the extension, which ends it. A storage that can be read and not
// written extends nothing and signs nobody out.
func (s *Sessions) refresh(ctx context.Context, r *Request, row, userRow store.Record, token string, now time.Time) (store.Record, error) {
	extended, err := s.home.extend(ctx, row, userRow, now.Add(s.auth.cfg.Session.ExpiresIn), now)
	var refusal *Error
	switch {
	case errors.Is(err, ErrAborted):
		if err := s.home.end(ctx, row.String("userId"), row.String("token")); err != nil {
			return nil, err
		}
		return nil, nil
	case errors.As(err, &refusal):
		return nil, refusal
	case err != nil:
		s.auth.log.WarnContext(ctx, "session was not extended", slog.Any("error", err))
		return row, nil
	case extended == nil:
		return nil, nil
	}
	s.auth.cookies.setSession(r.out, token, true, extended.Time("expiresAt").Sub(now))
	return extended, nil
}

// List returns the user's live sessions, the one that expires first in front.
// Their Token is a handle.
func (s *Sessions) List(ctx context.Context, userID string) ([]*Session, error) {
	rows, err := s.home.list(ctx, userID)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	now := s.auth.now()
	table := s.auth.db.schema.Table(TableSession)
	var live []*Session
	for _, row := range rows {
		if row.Time("expiresAt").After(now) && row.String("userId") == userID {
			live = append(live, sessionFrom(table, row))
		}
	}
	slices.SortFunc(live, func(a, b *Session) int {
		if c := a.ExpiresAt.Compare(b.ExpiresAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return live, nil
}

// Revoke ends one session of the user, named by its token or its handle. A
// session that is not there, or is another user's, is left alone without an
// error. When it returns nil the session is gone for good.
func (s *Sessions) Revoke(ctx context.Context, userID, tokenOrHandle string) error {
	if !strings.HasPrefix(tokenOrHandle, handlePrefix) {
		return s.endByToken(ctx, userID, tokenOrHandle)
	}
	sessions, err := s.List(ctx, userID)
	if err != nil {
		return err
	}
	for _, session := range sessions {
		if session.Token == tokenOrHandle {
			return s.end(ctx, session)
		}
	}
	return nil
}

// RevokeAll ends every session of the user except the one given, which may be
// nil. When it returns nil they are gone for good.
func (s *Sessions) RevokeAll(ctx context.Context, userID string, except *Session) error {
	keep := ""
	if except != nil {
		keep = except.hash
	}
	if err := s.home.endAll(ctx, userID, keep); err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return nil
}

// end ends a session that was looked up before.
func (s *Sessions) end(ctx context.Context, session *Session) error {
	if err := s.home.end(ctx, session.UserID, session.hash); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// endByToken ends the session of the token if it is the user's; of anybody,
// for an empty userID: who brings the token as his own may end its session.
func (s *Sessions) endByToken(ctx context.Context, userID, token string) error {
	row, _, err := s.home.find(ctx, hashToken(token))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("load session: %w", err)
	}
	if userID != "" && row.String("userId") != userID {
		return nil
	}
	return s.end(ctx, sessionFrom(s.auth.db.schema.Table(TableSession), row))
}
