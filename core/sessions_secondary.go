package core

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ostiary/ostiary/secondary"
	"github.com/ostiary/ostiary/store"
)

// secondarySessions keeps each session, with a copy of its user, under the hash
// of its token, and the set of a user's hashes beside them.
type secondarySessions struct {
	kv  *keyValues
	db  *Database
	now func() time.Time
}

// listedLonger is how much longer a session stands in its user's set than it
// lives: the storage's clock may be another than ours.
const listedLonger = time.Hour

func sessionKey(hash string) string        { return "session:" + hash }
func userSessionsKey(userID string) string { return "user-sessions:" + userID }

func (h *secondarySessions) encode(session, user store.Record) ([]byte, error) {
	s, err := encodeRow(h.db.schema.Table(TableSession), session)
	if err != nil {
		return nil, err
	}
	u, err := encodeRow(h.db.schema.Table(TableUser), user)
	if err != nil {
		return nil, err
	}
	return encodeObject([]member{{"session", s}, {"user", u}})
}

func (h *secondarySessions) decode(data []byte) (session, user store.Record, err error) {
	var v struct {
		Session jsontext.Value `json:"session"`
		User    jsontext.Value `json:"user"`
	}
	if err := jsonv2.Unmarshal(data, &v); err != nil {
		return nil, nil, fmt.Errorf("decode session: %w", err)
	}
	if session, err = decodeRow(h.db.schema.Table(TableSession), v.Session); err != nil {
		return nil, nil, err
	}
	user, err = decodeRow(h.db.schema.Table(TableUser), v.User)
	return session, user, err
}

func (h *secondarySessions) table() *store.Table { return h.db.schema.Table(TableSession) }

func (h *secondarySessions) create(ctx context.Context, session, user store.Record) (store.Record, error) {
	row, err := h.db.complete(h.table(), session)
	if err != nil {
		return nil, err
	}
	if row[store.ID] == nil {
		// No database is going to make it.
		if row[store.ID], err = h.db.newID(h.table()); err != nil {
			return nil, fmt.Errorf("make an id: %w", err)
		}
	}
	err = h.transaction(ctx, h.db.hooksCreate(h.table()), func(ctx context.Context) error {
		row, err = h.db.aroundCreate(ctx, h.table(), row.Clone(), func(ctx context.Context, row store.Record) (store.Record, error) {
			row, err := h.table().Canonical(row)
			if err != nil {
				return nil, err
			}
			return row, h.insert(ctx, row, user)
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return row, nil
}

// transaction runs fn in a transaction of the database where there are hooks,
// which write there.
func (h *secondarySessions) transaction(ctx context.Context, hooked bool, fn func(context.Context) error) error {
	if !hooked {
		return fn(ctx)
	}
	return h.db.Tx(ctx, fn)
}

// insert writes the session before it enters it into the user's set: one that
// everybody's sessions are ended around is then either found there or was made
// after. Where the second step fails, nobody has been given the token.
func (h *secondarySessions) insert(ctx context.Context, session, user store.Record) error {
	data, err := h.encode(session, user)
	if err != nil {
		return err
	}
	hash, expiresAt := session.String("token"), session.Time("expiresAt")
	return h.db.AfterCommit(ctx, func(ctx context.Context) error {
		if err := h.kv.set(ctx, sessionKey(hash), data, expiresAt.Sub(h.now())); err != nil {
			return err
		}
		if err := h.kv.addMember(ctx, userSessionsKey(session.String("userId")), hash, expiresAt.Add(listedLonger)); err != nil {
			return err
		}
		alive, err := h.refreshUser(ctx, session, user)
		if err == nil && !alive {
			return fmt.Errorf("user of the session: %w", store.ErrReference)
		}
		return err
	})
}

func (h *secondarySessions) find(ctx context.Context, hash string) (session, user store.Record, err error) {
	data, err := h.kv.get(ctx, sessionKey(hash))
	if errors.Is(err, secondary.ErrNotFound) {
		return nil, nil, store.ErrNotFound
	}
	if err != nil {
		return nil, nil, err
	}
	session, user, err = h.decode(data)
	if err != nil {
		// What cannot be read is as good as absent; there is no second copy.
		return nil, nil, fmt.Errorf("%w: %w", store.ErrNotFound, err)
	}
	return session, user, nil
}

func (h *secondarySessions) extend(ctx context.Context, session, user store.Record, expiresAt, now time.Time) (extended store.Record, err error) {
	set := store.Record{"expiresAt": expiresAt, "updatedAt": now}
	err = h.transaction(ctx, h.db.hooksUpdate(h.table()), func(ctx context.Context) error {
		extended, err = h.db.aroundUpdate(ctx, h.table(), session, set, func(ctx context.Context, set store.Record) (store.Record, error) {
			set, err := h.table().Canonical(set)
			if err != nil {
				return nil, err
			}
			extended := session.Clone()
			maps.Copy(extended, set)
			alive, err := h.prolong(ctx, extended, user)
			if err == nil && !alive {
				err = errSessionGone
			}
			return extended, err
		})
		return err
	})
	if errors.Is(err, errSessionGone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return extended, nil
}

// errSessionGone is of a session that ended before it could be extended.
var errSessionGone = errors.New("the session is gone")

// prolong moves the session's end in the user's set first, so that one that
// lives is never missing there.
func (h *secondarySessions) prolong(ctx context.Context, extended, user store.Record) (bool, error) {
	expiresAt := extended.Time("expiresAt")
	hash, userID := extended.String("token"), extended.String("userId")
	if err := h.kv.addMember(ctx, userSessionsKey(userID), hash, expiresAt.Add(listedLonger)); err != nil {
		return false, err
	}
	alive, err := h.write(ctx, extended, user)
	if err != nil {
		return false, err // it may be written all the same, so it stays listed
	}
	if !alive {
		return false, h.kv.removeMember(ctx, userSessionsKey(userID), hash)
	}
	return h.refreshUser(ctx, extended, user)
}

// write replaces what is kept of a session that is still there.
func (h *secondarySessions) write(ctx context.Context, session, user store.Record) (alive bool, err error) {
	data, err := h.encode(session, user)
	if err != nil {
		return false, err
	}
	return h.kv.setIfExists(ctx, sessionKey(session.String("token")), data, session.Time("expiresAt").Sub(h.now()))
}

// refreshUser looks whether the copy of the user that was just written is the
// user as it is, and mends it. Everybody who writes a copy looks afterwards,
// and users are changed in the database first: so the last copy written is of
// the user's last state, whatever ran at the same time. Where there is no such
// user any more, the session ends.
func (h *secondarySessions) refreshUser(ctx context.Context, session, written store.Record) (alive bool, err error) {
	for range maxTries {
		user, err := h.db.FindOne(ctx, TableUser, store.Query{Where: store.Eq(store.ID, session["userId"])})
		if errors.Is(err, store.ErrNotFound) {
			return false, h.remove(ctx, session.String("userId"), session.String("token"))
		}
		if err != nil {
			return true, err
		}
		if h.sameUser(user, written) {
			return true, nil
		}
		if alive, err := h.write(ctx, session, user); err != nil || !alive {
			return alive, err
		}
		written = user
	}
	return true, nil
}

func (h *secondarySessions) sameUser(a, b store.Record) bool {
	t := h.db.schema.Table(TableUser)
	x, errX := encodeRow(t, a)
	y, errY := encodeRow(t, b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// end deletes the session before it takes it out of the set, so that a failure
// in between leaves nothing that is alive and unlisted.
func (h *secondarySessions) end(ctx context.Context, userID, hash string) error {
	return h.withHooks(ctx, []string{hash}, func(ctx context.Context) error {
		return h.db.AfterCommit(ctx, func(ctx context.Context) error { return h.remove(ctx, userID, hash) })
	})
}

// withHooks runs the hooks for the deletion of sessions around it, where there
// are any.
func (h *secondarySessions) withHooks(ctx context.Context, hashes []string, remove func(context.Context) error) error {
	return h.transaction(ctx, h.db.hooksDelete(h.table()), func(ctx context.Context) error {
		if !h.db.hooksDelete(h.table()) {
			return remove(ctx)
		}
		for _, hash := range hashes {
			session, _, err := h.find(ctx, hash)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			h.db.queueOf(ctx).progress()
			// What is removed is removed at the end, all together.
			if err := h.db.aroundDelete(ctx, h.table(), session, func(context.Context) error { return nil }); err != nil {
				return err
			}
		}
		return remove(ctx)
	})
}

func (h *secondarySessions) endAll(ctx context.Context, userID, exceptHash string) error {
	others := func(ctx context.Context) ([]string, error) {
		hashes, err := h.kv.members(ctx, userSessionsKey(userID))
		return slices.DeleteFunc(hashes, func(hash string) bool { return hash == exceptHash }), err
	}
	remove := func(ctx context.Context) error {
		return h.db.AfterCommit(ctx, func(ctx context.Context) error {
			hashes, err := others(ctx)
			if err != nil {
				return err
			}
			return h.remove(ctx, userID, hashes...)
		})
	}
	if !h.db.hooksDelete(h.table()) {
		return remove(ctx)
	}
	hashes, err := others(ctx)
	if err != nil {
		return err
	}
	return h.withHooks(ctx, hashes, remove)
}

func (h *secondarySessions) remove(ctx context.Context, userID string, hashes ...string) error {
	if len(hashes) == 0 {
		return nil
	}
	keys := make([]string, len(hashes))
	for i, hash := range hashes {
		keys[i] = sessionKey(hash)
	}
	if err := h.kv.delete(ctx, keys...); err != nil {
		return err
	}
	return h.kv.removeMember(ctx, userSessionsKey(userID), hashes...)
}

func (h *secondarySessions) list(ctx context.Context, userID string) ([]store.Record, error) {
	hashes, err := h.kv.members(ctx, userSessionsKey(userID))
	if err != nil {
		return nil, err
	}
	var rows []store.Record
	for _, hash := range hashes {
		session, _, err := h.find(ctx, hash)
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return nil, err
		default:
			rows = append(rows, session)
		}
	}
	return rows, nil
}

// followUsers is what keeps the copies of users true, whichever way users
// change and go.
func (h *secondarySessions) followUsers() DatabaseHook {
	return DatabaseHook{
		Table:   TableUser,
		updated: h.userChanged,
		deleted: func(ctx context.Context, user store.Record) error { return h.endAll(ctx, user.String(store.ID), "") },
	}
}

// userChanged brings copies of a user's row up to date.
func (h *secondarySessions) userChanged(ctx context.Context, user store.Record) error {
	return h.db.AfterCommit(ctx, func(ctx context.Context) error {
		hashes, err := h.kv.members(ctx, userSessionsKey(user.String(store.ID)))
		if err != nil {
			return err
		}
		for _, hash := range hashes {
			session, _, err := h.find(ctx, hash)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if _, err := h.write(ctx, session, user); err != nil {
				return err
			}
			if _, err := h.refreshUser(ctx, session, user); err != nil {
				return err
			}
		}
		return nil
	})
}
