package mongostore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/ostiary/ostiary/store"
)

// Create implements [store.Store].
func (s *Store) Create(ctx context.Context, t *store.Table, r store.Record) (store.Record, error) {
	rec, err := s.create(ctx, t, r)
	if err != nil {
		return nil, doing("create", t, err)
	}
	return rec, nil
}

func (s *Store) create(ctx context.Context, t *store.Table, r store.Record) (store.Record, error) {
	if err := s.check(ctx, t); err != nil {
		return nil, err
	}
	rec, err := t.Canonical(r)
	if err != nil {
		return nil, err
	}
	if err := s.makeID(ctx, t, rec); err != nil {
		return nil, err
	}
	for _, f := range t.Fields {
		if rec[f.Name] != nil {
			continue
		}
		if f.Required {
			return nil, fmt.Errorf("%w: required field %q is null", store.ErrInvalid, f.Name)
		}
		rec[f.Name] = nil
	}
	err = s.alone(ctx, func(ctx context.Context, u *unit) error {
		if err := u.insert(ctx, t, rec); err != nil {
			return err
		}
		return u.checkTargets(ctx, t, rec)
	})
	if err != nil {
		return nil, err
	}
	return rec, nil
}

func (u *unit) insert(ctx context.Context, t *store.Table, rec store.Record) error {
	rows := u.store.collection(t)
	doc := document(t, rec)
	id := encode(t.Field(store.ID), rec[store.ID])
	writing, done := u.writing(ctx)
	defer done()
	if _, err := rows.InsertOne(writing, doc); err != nil {
		return u.failed(ctx, t, nil, rec, err)
	}
	u.wrote(func(ctx context.Context) error {
		_, err := rows.DeleteOne(ctx, byID(id))
		return err
	})
	return nil
}

func byID(id any) bson.D { return bson.D{{Key: idKey, Value: id}} }

// makeID gives the record an id where it has none and the schema leaves it to
// the database to make one.
func (s *Store) makeID(ctx context.Context, t *store.Table, rec store.Record) (err error) {
	ids := t.Schema().IDs()
	given := rec[store.ID] != nil
	switch {
	case ids.Kind() == store.SerialID && ids.ByDatabase():
		n, err := s.nextID(ctx, t, rec.String(store.ID))
		if err == nil && !given {
			rec[store.ID] = strconv.FormatInt(n, 10)
		}
		return err
	case given || !ids.ByDatabase():
		return nil
	}
	rec[store.ID], err = ids.New(rand.Reader, t.Name)
	return err
}

// Update implements [store.Store].
func (s *Store) Update(ctx context.Context, t *store.Table, w store.Where, set store.Record) (int64, error) {
	n, err := s.updateAll(ctx, t, w, set)
	if err != nil {
		return 0, doing("update", t, err)
	}
	return n, nil
}

func (s *Store) updateAll(ctx context.Context, t *store.Table, w store.Where, set store.Record) (n int64, err error) {
	w, set, err = s.writable(ctx, t, w, set)
	if err != nil {
		return 0, err
	}
	if len(set) == 0 {
		return 0, fmt.Errorf("%w: nothing to write", store.ErrInvalid)
	}
	run := s.alone
	if mayFail(t, set) {
		run = s.atOnce
	}
	err = run(ctx, func(ctx context.Context, u *unit) error {
		matching, err := u.filter(ctx, t, w)
		if err == nil {
			n, err = u.update(ctx, t, matching, set)
		}
		return err
	})
	return n, err
}

// writable checks the condition and the record of a write and returns them in
// canonical form.
func (s *Store) writable(ctx context.Context, t *store.Table, w store.Where, set store.Record) (store.Where, store.Record, error) {
	if err := s.check(ctx, t); err != nil {
		return w, nil, err
	}
	if w.IsZero() {
		return w, nil, fmt.Errorf("%w: a write without a condition", store.ErrInvalid)
	}
	set, err := t.Canonical(set)
	if err != nil {
		return w, nil, err
	}
	for name, v := range set {
		if v == nil && t.Field(name).Required {
			return w, nil, fmt.Errorf("%w: required field %q is null", store.ErrInvalid, name)
		}
	}
	w, err = t.CanonicalWhere(w)
	return w, set, err
}

// mayFail tells whether writing the fields may be refused for one of several
// documents, after others have been written.
func mayFail(t *store.Table, set store.Record) bool {
	for name := range set {
		if f := t.Field(name); f.Unique || f.References != nil || isTarget(t, name) {
			return true
		}
	}
	return slices.ContainsFunc(t.Indexes, func(ix store.Index) bool {
		return ix.Unique && slices.ContainsFunc(ix.Fields, func(name string) bool { _, ok := set[name]; return ok })
	})
}

// update writes into every document that matches and returns how many did.
func (u *unit) update(ctx context.Context, t *store.Table, matching bson.D, set store.Record) (int64, error) {
	targets := slices.DeleteFunc(slices.Collect(maps.Keys(set)), func(name string) bool { return !isTarget(t, name) })
	if len(targets) == 0 && !u.remembers() {
		writing, done := u.writing(ctx)
		defer done()
		result, err := u.store.collection(t).UpdateMany(writing, matching, changes(t, set, nil))
		if err != nil {
			return 0, failure(ctx, t, err)
		}
		if result.MatchedCount == 0 {
			return 0, nil
		}
		return result.MatchedCount, u.checkTargets(ctx, t, set)
	}
	docs, err := u.find(ctx, t, matching, idKey)
	if err != nil {
		return 0, err
	}
	var n int64
	for _, doc := range docs {
		_, err := u.updateOne(ctx, t, and(byID(doc.Lookup(idKey)), matching), set, nil)
		switch {
		case err == nil:
			n++
		case !errors.Is(err, store.ErrNotFound): // changed meanwhile
			return 0, err
		}
	}
	return n, nil
}

func and(conditions ...any) bson.D { return bson.D{{Key: "$and", Value: bson.A(conditions)}} }

// updateOne writes into one document that matches and returns it as it is then,
// or [store.ErrNotFound].
func (u *unit) updateOne(ctx context.Context, t *store.Table, matching bson.D, set store.Record, delta map[string]int64) (store.Record, error) {
	rows := u.store.collection(t)
	writing, done := u.writing(ctx)
	defer done()
	before := options.FindOneAndUpdate().SetReturnDocument(options.Before)
	doc, err := rows.FindOneAndUpdate(writing, matching, changes(t, set, delta), before).Raw()
	if err != nil {
		if isDuplicate(err) {
			return nil, u.failedUpdate(ctx, t, matching, set, delta, err)
		}
		return nil, failure(ctx, t, err)
	}
	old, err := record(t, doc, nil)
	if err != nil {
		return nil, err
	}
	now := changed(t, old, set, delta)
	u.wrote(putBackFields(t, rows, doc, set, delta))
	if err := u.checkTargets(ctx, t, set); err != nil {
		return nil, err
	}
	for name := range set {
		if was := old[name]; isTarget(t, name) && was != nil && was != now[name] {
			if err := u.checkReferrers(ctx, t, name, []any{encode(t.Field(name), was)}); err != nil {
				return nil, err
			}
		}
	}
	return now, nil
}

// changes are the update operators for what is assigned and what is added.
func changes(t *store.Table, set store.Record, delta map[string]int64) bson.D {
	var assign, remove, add bson.D
	for name, v := range set {
		f := t.Field(name)
		if v == nil {
			remove = append(remove, bson.E{Key: key(f), Value: ""})
			continue
		}
		assign = append(assign, bson.E{Key: key(f), Value: encode(f, v)})
	}
	for name, d := range delta {
		f := t.Field(name)
		add = append(add, bson.E{Key: key(f), Value: amount(f, d)})
	}
	var all bson.D
	for _, op := range []struct {
		name   string
		fields bson.D
	}{{"$set", assign}, {"$unset", remove}, {"$inc", add}} {
		if len(op.fields) > 0 {
			all = append(all, bson.E{Key: op.name, Value: op.fields})
		}
	}
	return all
}

func amount(f *store.Field, n int64) any {
	if f.Type == store.Float {
		return float64(n)
	}
	return n
}

// changed is the record after an update, which the server does in the same way.
func changed(t *store.Table, old, set store.Record, delta map[string]int64) store.Record {
	now := old.Clone()
	maps.Copy(now, set)
	for name, d := range delta {
		if t.Field(name).Type == store.Float {
			was, _ := old[name].(float64)
			now[name] = was + float64(d)
			continue
		}
		now[name] = old.Int(name) + d
	}
	return now.Clone()
}

// putBackFields returns how to undo an update. What was assigned is assigned
// what it was. What was added is taken off again, so that what others have
// added since is kept; if there was nothing before and nobody has, it is
// nothing again.
func putBackFields(t *store.Table, rows *mongo.Collection, doc bson.Raw, set store.Record, delta map[string]int64) step {
	id := doc.Lookup(idKey)
	old := bson.D{}
	var gone, sums bson.D
	for name := range set {
		f := t.Field(name)
		if raw, err := doc.LookupErr(key(f)); err == nil {
			old = append(old, bson.E{Key: key(f), Value: raw})
			continue
		}
		gone = append(gone, bson.E{Key: key(f), Value: ""})
	}
	for name, d := range delta {
		f := t.Field(name)
		sums = append(sums, bson.E{Key: key(f), Value: amount(f, -d)})
	}
	return func(ctx context.Context) error {
		var all bson.D
		if len(old) > 0 {
			all = append(all, bson.E{Key: "$set", Value: old})
		}
		if len(gone) > 0 {
			all = append(all, bson.E{Key: "$unset", Value: gone})
		}
		if len(sums) > 0 {
			all = append(all, bson.E{Key: "$inc", Value: sums})
		}
		if _, err := rows.UpdateOne(ctx, byID(id), all); err != nil {
			return err
		}
		for name := range delta {
			f := t.Field(name)
			if _, err := doc.LookupErr(key(f)); err == nil {
				continue
			}
			untouched := and(byID(id), bson.D{{Key: key(f), Value: amount(f, 0)}})
			if _, err := rows.UpdateOne(ctx, untouched, bson.D{{Key: "$unset", Value: bson.D{{Key: key(f), Value: ""}}}}); err != nil {
				return err
			}
		}
		return nil
	}
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, t *store.Table, w store.Where) (int64, error) {
	n, err := s.delete(ctx, t, w)
	if err != nil {
		return 0, doing("delete", t, err)
	}
	return n, nil
}

func (s *Store) delete(ctx context.Context, t *store.Table, w store.Where) (n int64, err error) {
	w, _, err = s.writable(ctx, t, w, nil)
	if err != nil {
		return 0, err
	}
	run := s.alone
	if isTarget(t, "") {
		run = s.atOnce
	}
	err = run(ctx, func(ctx context.Context, u *unit) error {
		matching, err := u.filter(ctx, t, w)
		if err == nil {
			n, err = u.remove(ctx, t, matching)
		}
		return err
	})
	return n, err
}

// remove deletes every document that matches, does to those that refer to them
// what their references say, and returns how many matched.
func (u *unit) remove(ctx context.Context, t *store.Table, matching bson.D) (int64, error) {
	if !isTarget(t, "") && !u.remembers() {
		writing, done := u.writing(ctx)
		defer done()
		result, err := u.store.collection(t).DeleteMany(writing, matching)
		if err != nil {
			return 0, failure(ctx, t, err)
		}
		return result.DeletedCount, nil
	}
	docs, err := u.find(ctx, t, matching, idKey)
	if err != nil {
		return 0, err
	}
	removed := docs[:0]
	for _, doc := range docs {
		doc, err := u.takeOne(ctx, t, and(byID(doc.Lookup(idKey)), matching))
		switch {
		case err == nil:
			removed = append(removed, doc)
		case !errors.Is(err, store.ErrNotFound): // gone meanwhile
			return 0, err
		}
	}
	return int64(len(removed)), u.removed(ctx, t, removed)
}

// takeOne deletes one document that matches and returns it.
func (u *unit) takeOne(ctx context.Context, t *store.Table, matching bson.D) (bson.Raw, error) {
	rows := u.store.collection(t)
	writing, done := u.writing(ctx)
	defer done()
	doc, err := rows.FindOneAndDelete(writing, matching).Raw()
	if err != nil {
		return nil, failure(ctx, t, err)
	}
	u.wrote(putBackDocument(rows, doc))
	return doc, nil
}

// Take implements [store.Store].
func (s *Store) Take(ctx context.Context, t *store.Table, w store.Where) (store.Record, error) {
	rec, err := s.take(ctx, t, w)
	if err != nil {
		return nil, doing("take", t, err)
	}
	return rec, nil
}

func (s *Store) take(ctx context.Context, t *store.Table, w store.Where) (rec store.Record, err error) {
	w, _, err = s.writable(ctx, t, w, nil)
	if err != nil {
		return nil, err
	}
	run := s.alone
	if isTarget(t, "") {
		run = s.atOnce
	}
	err = run(ctx, func(ctx context.Context, u *unit) error {
		matching, err := u.filter(ctx, t, w)
		if err != nil {
			return err
		}
		doc, err := u.takeOne(ctx, t, matching)
		if err != nil {
			return err
		}
		if rec, err = record(t, doc, nil); err != nil {
			return err
		}
		return u.removed(ctx, t, []bson.Raw{doc})
	})
	return rec, err
}

// Add implements [store.Store]. A sum that the field cannot hold is
// [store.ErrInvalid].
func (s *Store) Add(ctx context.Context, t *store.Table, w store.Where, delta map[string]int64, set store.Record) (store.Record, error) {
	rec, err := s.add(ctx, t, w, delta, set)
	if err != nil {
		return nil, doing("add", t, err)
	}
	return rec, nil
}

func (s *Store) add(ctx context.Context, t *store.Table, w store.Where, delta map[string]int64, set store.Record) (rec store.Record, err error) {
	w, set, err = s.writable(ctx, t, w, set)
	if err != nil {
		return nil, err
	}
	if len(delta) == 0 && len(set) == 0 {
		return nil, fmt.Errorf("%w: nothing to write", store.ErrInvalid)
	}
	for name := range delta {
		f := t.Field(name)
		if f == nil || f.Type != store.Int && f.Type != store.Float {
			return nil, fmt.Errorf("%w: field %q is no number to add to", store.ErrInvalid, name)
		}
		if _, both := set[name]; both {
			return nil, fmt.Errorf("%w: field %q is both added to and set", store.ErrInvalid, name)
		}
	}
	err = s.alone(ctx, func(ctx context.Context, u *unit) error {
		matching, err := u.filter(ctx, t, w)
		if err == nil {
			rec, err = u.updateOne(ctx, t, matching, set, delta)
		}
		return err
	})
	return rec, err
}

// failed is the error of an insert. Where the server does not say which value is
// taken, it is asked.
func (u *unit) failed(ctx context.Context, t *store.Table, id any, rec store.Record, err error) error {
	err = failure(ctx, t, err)
	var taken *store.DuplicateError
	if !errors.As(err, &taken) || len(taken.Fields) > 0 || u.session != nil {
		return err
	}
	for _, fields := range uniques(t) {
		same := bson.A{}
		for _, name := range fields {
			if v := rec[name]; v != nil {
				f := t.Field(name)
				same = append(same, bson.D{{Key: key(f), Value: encode(f, v)}})
			}
		}
		if len(same) < len(fields) {
			continue // nulls are never duplicates
		}
		if id != nil {
			same = append(same, bson.D{{Key: idKey, Value: bson.D{{Key: "$ne", Value: id}}}})
		}
		if u.store.collection(t).FindOne(ctx, and(same...)).Err() == nil {
			taken.Fields = fields
			return err
		}
	}
	return err
}

// failedUpdate is failed for a document that matches and was to be changed.
func (u *unit) failedUpdate(ctx context.Context, t *store.Table, matching bson.D, set store.Record, delta map[string]int64, err error) error {
	doc, findErr := u.store.collection(t).FindOne(ctx, matching).Raw()
	if findErr != nil {
		return failure(ctx, t, err)
	}
	old, readErr := record(t, doc, nil)
	if readErr != nil {
		return failure(ctx, t, err)
	}
	return u.failed(ctx, t, doc.Lookup(idKey), changed(t, old, set, delta), err)
}

// uniques lists the fields and combinations of fields of the table that hold
// each value once.
func uniques(t *store.Table) [][]string {
	var all [][]string
	for _, f := range t.Fields {
		if f.Unique {
			all = append(all, []string{f.Name})
		}
	}
	for _, ix := range t.Indexes {
		if ix.Unique {
			all = append(all, slices.Clone(ix.Fields))
		}
	}
	return all
}
