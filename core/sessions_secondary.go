package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

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

// sessionValue is what is kept under a session's key.
type sessionValue struct {
	Session json.RawMessage `json:"session"`
	User    json.RawMessage `json:"user"`
}

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
	return encodeJSON(sessionValue{s, u})
}

func (h *secondarySessions) decode(data []byte) (session, user store.Record, err error) {
	var v sessionValue
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, nil, fmt.Errorf("decode session: %w", err)
	}
	if session, err = decodeRow(h.db.schema.Table(TableSession), v.Session); err != nil {
		return nil, nil, err
	}
	user, err = decodeRow(h.db.schema.Table(TableUser), v.User)
	return session, user, err
}

// create enters the session into the user's set first: one that is not listed
// could not be revoked with the others.
func (h *secondarySessions) create(ctx context.Context, session, user store.Record) error {
	data, err := h.encode(session, user)
	if err != nil {
		return err
	}
	hash, expiresAt := session.String("token"), session.Time("expiresAt")
	return h.db.AfterCommit(ctx, func(ctx context.Context) error {
		if err := h.kv.addMember(ctx, userSessionsKey(session.String("userId")), hash, expiresAt); err != nil {
			return err
		}
		return h.kv.set(ctx, sessionKey(hash), data, expiresAt.Sub(h.now()))
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

func (h *secondarySessions) extend(ctx context.Context, session, user store.Record, expiresAt, now time.Time) (bool, error) {
	extended := session.Clone()
	extended["expiresAt"], extended["updatedAt"] = expiresAt, now
	data, err := h.encode(extended, user)
	if err != nil {
		return false, err
	}
	hash := session.String("token")
	alive, err := h.kv.setIfExists(ctx, sessionKey(hash), data, expiresAt.Sub(now))
	if err != nil || !alive {
		return false, err
	}
	return true, h.kv.addMember(ctx, userSessionsKey(session.String("userId")), hash, expiresAt)
}

// end deletes the sessions before it takes them out of the set, so that a
// failure in between leaves nothing that is alive and unlisted.
func (h *secondarySessions) end(ctx context.Context, userID string, hashes ...string) error {
	keys := make([]string, len(hashes))
	for i, hash := range hashes {
		keys[i] = sessionKey(hash)
	}
	return h.db.AfterCommit(ctx, func(ctx context.Context) error {
		if err := h.kv.delete(ctx, keys...); err != nil {
			return err
		}
		return h.kv.removeMember(ctx, userSessionsKey(userID), hashes...)
	})
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
			data, err := h.encode(session, user)
			if err != nil {
				return err
			}
			if _, err := h.kv.setIfExists(ctx, sessionKey(hash), data, session.Time("expiresAt").Sub(h.now())); err != nil {
				return err
			}
		}
		return nil
	})
}
