package core

import (
	"context"
	"errors"
	"time"

	"github.com/ostiary/ostiary/store"
)

// databaseSessions keeps sessions as rows.
type databaseSessions struct{ db *Database }

func (h *databaseSessions) create(ctx context.Context, session, _ store.Record) (store.Record, error) {
	return h.db.Create(ctx, TableSession, session)
}

func (h *databaseSessions) find(ctx context.Context, hash string) (session, user store.Record, err error) {
	row, err := h.db.FindOne(ctx, TableSession, store.Query{Where: store.Eq("token", hash), Join: []string{"userId"}})
	if err != nil {
		return nil, nil, err
	}
	user = row.Record("user")
	if user == nil {
		return nil, nil, store.ErrNotFound
	}
	return row, user, nil
}

// extend moves the expiry only from the value that was read, which may be finer
// in the database: of many concurrent callers one writes. The others find out
// whether the session was extended or ended meanwhile.
func (h *databaseSessions) extend(ctx context.Context, session, _ store.Record, expiresAt, now time.Time) (store.Record, error) {
	id := store.Eq(store.ID, session[store.ID])
	unchanged := store.And(id, store.Gte("expiresAt", session["expiresAt"]), store.Lt("expiresAt", session.Time("expiresAt").Add(store.Precision)))
	row, err := h.db.Add(ctx, TableSession, unchanged, nil, store.Record{"expiresAt": expiresAt, "updatedAt": now})
	if !errors.Is(err, store.ErrNotFound) {
		return row, err
	}
	row, err = h.db.FindOne(ctx, TableSession, store.Query{Where: store.And(id, store.Gt("expiresAt", now))})
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return row, err
}

func (h *databaseSessions) end(ctx context.Context, userID, hash string) error {
	_, err := h.db.Delete(ctx, TableSession, store.And(store.Eq("userId", userID), store.Eq("token", hash)))
	return err
}

func (h *databaseSessions) endAll(ctx context.Context, userID, exceptHash string) error {
	where := store.Eq("userId", userID)
	if exceptHash != "" {
		where = store.And(where, store.Ne("token", exceptHash))
	}
	_, err := h.db.Delete(ctx, TableSession, where)
	return err
}

func (h *databaseSessions) list(ctx context.Context, userID string) ([]store.Record, error) {
	return h.db.FindMany(ctx, TableSession, store.Query{Where: store.Eq("userId", userID), Limit: store.NoLimit})
}
