package mongostore

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/ostiary/ostiary/store"
)

// FindOne implements [store.Store].
func (s *Store) FindOne(ctx context.Context, t *store.Table, q store.Query) (store.Record, error) {
	q.Limit = 1
	recs, err := s.query(ctx, t, q)
	if err == nil && len(recs) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, doing("find one", t, err)
	}
	return recs[0], nil
}

// FindMany implements [store.Store].
func (s *Store) FindMany(ctx context.Context, t *store.Table, q store.Query) ([]store.Record, error) {
	recs, err := s.query(ctx, t, q)
	if err != nil {
		return nil, doing("find many", t, err)
	}
	return recs, nil
}

// Count implements [store.Store].
func (s *Store) Count(ctx context.Context, t *store.Table, w store.Where) (int64, error) {
	n, err := s.count(ctx, t, w)
	if err != nil {
		return 0, doing("count", t, err)
	}
	return n, nil
}

func (s *Store) count(ctx context.Context, t *store.Table, w store.Where) (n int64, err error) {
	if err := s.check(ctx, t); err != nil {
		return 0, err
	}
	w, err = t.CanonicalWhere(w)
	if err != nil {
		return 0, err
	}
	err = s.alone(ctx, func(ctx context.Context, u *unit) error {
		matching, err := u.filter(ctx, t, w)
		if err != nil {
			return err
		}
		n, err = s.collection(t).CountDocuments(u.reading(ctx), matching)
		return failure(ctx, t, err)
	})
	return n, err
}

func (s *Store) query(ctx context.Context, t *store.Table, q store.Query) (recs []store.Record, err error) {
	if err := s.check(ctx, t); err != nil {
		return nil, err
	}
	q, err = t.CanonicalQuery(q)
	if err != nil {
		return nil, err
	}
	run := s.alone
	for _, joined := range joinedTables(t, q) {
		if err := s.check(ctx, joined); err != nil {
			return nil, fmt.Errorf("join %s: %w", joined.Name, err)
		}
		server, err := s.hello(ctx)
		if err != nil {
			return nil, err
		}
		if server.transactions() {
			run = s.atOnce // what it reads is of one moment
		}
	}
	err = run(ctx, func(ctx context.Context, u *unit) error {
		recs, err = u.query(ctx, t, q)
		return err
	})
	return recs, err
}

// joinedTables are those that a checked query joins.
func joinedTables(t *store.Table, q store.Query) []*store.Table {
	joined := make([]*store.Table, 0, len(q.Join)+len(q.Children))
	for _, name := range q.Join {
		joined = append(joined, t.Field(name).References.Target())
	}
	for _, c := range q.Children {
		joined = append(joined, t.Schema().Table(c.Table))
	}
	return joined
}

func (u *unit) query(ctx context.Context, t *store.Table, q store.Query) ([]store.Record, error) {
	matching, err := u.filter(ctx, t, q.Where)
	if err != nil {
		return nil, err
	}
	settings := options.Find().SetSkip(int64(q.Offset))
	if limit := rowLimit(q.Limit); limit > 0 {
		settings.SetLimit(int64(limit))
	}
	if len(q.Sort) > 0 {
		settings.SetSort(order(t, q.Sort))
	}
	if len(q.Select) > 0 {
		settings.SetProjection(projection(needed(t, q)))
	}
	cursor, err := u.store.collection(t).Find(u.reading(ctx), matching, settings)
	if err != nil {
		return nil, failure(ctx, t, err)
	}
	var docs []bson.Raw
	if err := cursor.All(u.reading(ctx), &docs); err != nil {
		return nil, failure(ctx, t, err)
	}
	recs := make([]store.Record, len(docs))
	for i, doc := range docs {
		if recs[i], err = record(t, doc, q.Select); err != nil {
			return nil, err
		}
	}
	if len(docs) == 0 {
		return recs, nil
	}
	for _, name := range q.Join {
		if err := u.join(ctx, t.Field(name), docs, recs); err != nil {
			return nil, err
		}
	}
	for _, c := range q.Children {
		if err := u.joinChildren(ctx, t, c, docs, recs); err != nil {
			return nil, err
		}
	}
	return recs, nil
}

// rowLimit is the limit as MongoDB has it: 0 is none.
func rowLimit(limit int) int {
	switch limit {
	case 0:
		return store.DefaultLimit
	case store.NoLimit:
		return 0
	}
	return limit
}

func order(t *store.Table, by []store.Sort) bson.D {
	keys := make(bson.D, 0, len(by))
	seen := map[string]bool{}
	for _, s := range by {
		if seen[s.Field] {
			continue // it is decided already
		}
		seen[s.Field] = true
		direction := 1
		if s.Desc {
			direction = -1
		}
		keys = append(keys, bson.E{Key: key(t.Field(s.Field)), Value: direction})
	}
	return keys
}

// needed are the keys of what is selected and of what is joined by.
func needed(t *store.Table, q store.Query) []string {
	wanted := map[string]bool{}
	for _, name := range q.Select {
		wanted[name] = true
	}
	for _, name := range q.Join {
		wanted[name] = true
	}
	for _, c := range q.Children {
		wanted[t.Schema().Table(c.Table).Field(c.Field).References.Field] = true
	}
	keys := make([]string, 0, len(wanted))
	for name := range wanted {
		keys = append(keys, key(t.Field(name)))
	}
	return keys
}

// join adds to each record the row that its reference field points to.
func (u *unit) join(ctx context.Context, f *store.Field, docs []bson.Raw, recs []store.Record) error {
	ref := f.References
	target := ref.Target()
	found, err := u.find(ctx, target, among(target.Field(ref.Field), valuesOf(f, docs)))
	if err != nil {
		return err
	}
	rows, err := byValue(target, target.Field(ref.Field), found)
	if err != nil {
		return err
	}
	for i, doc := range docs {
		recs[i][ref.As] = nil
		if rows := rows[valueKey(doc, f)]; len(rows) > 0 {
			recs[i][ref.As] = rows[0].Clone()
		}
	}
	return nil
}

// joinChildren adds to each record the rows of another table that refer to it.
func (u *unit) joinChildren(ctx context.Context, t *store.Table, c store.Children, docs []bson.Raw, recs []store.Record) error {
	child := t.Schema().Table(c.Table)
	f := child.Field(c.Field)
	parent := t.Field(f.References.Field)
	limit := rowLimit(c.Limit)
	settings := options.Find().SetSort(order(child, c.Sort))
	if limit > 0 && len(docs) == 1 {
		settings.SetLimit(int64(limit))
	}
	cursor, err := u.store.collection(child).Find(u.reading(ctx), among(f, valuesOf(parent, docs)), settings)
	if err != nil {
		return failure(ctx, child, err)
	}
	var found []bson.Raw
	if err := cursor.All(u.reading(ctx), &found); err != nil {
		return failure(ctx, child, err)
	}
	rows, err := byValue(child, f, found)
	if err != nil {
		return err
	}
	for i, doc := range docs {
		children := rows[valueKey(doc, parent)]
		if limit > 0 {
			children = children[:min(limit, len(children))]
		}
		recs[i][c.As] = joined(f, children)
	}
	return nil
}

// joined is what a record holds of the rows that refer to it by the field.
func joined(f *store.Field, rows []store.Record) any {
	if !f.Unique {
		return append([]store.Record{}, rows...)
	}
	if len(rows) == 0 {
		return nil
	}
	return rows[0]
}

// byValue reads the documents of a table, by what they hold in the field.
func byValue(t *store.Table, f *store.Field, docs []bson.Raw) (map[string][]store.Record, error) {
	rows := map[string][]store.Record{}
	for _, doc := range docs {
		rec, err := record(t, doc, nil)
		if err != nil {
			return nil, err
		}
		k := valueKey(doc, f)
		rows[k] = append(rows[k], rec)
	}
	return rows, nil
}

// valueKey tells apart what documents hold in a field.
func valueKey(doc bson.Raw, f *store.Field) string {
	v := doc.Lookup(key(f))
	return string(v.Type) + string(v.Value)
}
