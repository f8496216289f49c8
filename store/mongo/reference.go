package mongostore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/ostiary/ostiary/store"
)

// batch is how many values one command names at most.
const batch = 1000

// referrers calls yield with every field that refers to the table.
func referrers(t *store.Table, yield func(child *store.Table, f *store.Field) error) error {
	for _, child := range t.Schema().Tables() {
		for _, f := range child.Fields {
			if f.References == nil || f.References.Target() != t {
				continue
			}
			if err := yield(child, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// isTarget tells whether fields refer to the table: to this field of it, or
// with "" to any.
func isTarget(t *store.Table, name string) bool {
	found := errors.New("found")
	err := referrers(t, func(_ *store.Table, f *store.Field) error {
		if name == "" || f.References.Field == name {
			return found
		}
		return nil
	})
	return err != nil
}

func among(f *store.Field, values []any) bson.D {
	return bson.D{{Key: key(f), Value: bson.D{{Key: "$in", Value: bson.A(values)}}}}
}

// checkTargets fails unless every row that the record, just written to the
// table, refers to exists. It comes after the write: who deletes a row looks
// for those that refer to it after the deletion, so that one of the two sees
// the other.
func (u *unit) checkTargets(ctx context.Context, t *store.Table, written store.Record) error {
	for _, f := range t.Fields {
		v := written[f.Name]
		if f.References == nil || v == nil {
			continue
		}
		value := encode(f, v)
		there, err := u.existing(ctx, f.References, []any{value})
		if err != nil {
			return err
		}
		if len(there) == 0 {
			return fmt.Errorf("%w: no %s whose %s is the %s", store.ErrReference, f.References.Table, f.References.Field, f.Name)
		}
		u.lookAgain(link{table: t, field: f, values: []any{value}})
	}
	return nil
}

// existing returns those of the values that a row has in the field that is
// referred to.
func (u *unit) existing(ctx context.Context, ref *store.Reference, values []any) ([]any, error) {
	target := ref.Target()
	f := target.Field(ref.Field)
	docs, err := u.find(ctx, target, among(f, values), key(f))
	if err != nil {
		return nil, err
	}
	return valuesOf(f, docs), nil
}

// valuesOf returns what the documents hold in the field, as it is kept, nulls
// left out.
func valuesOf(f *store.Field, docs []bson.Raw) []any {
	var values []any
	for _, doc := range docs {
		raw := doc.Lookup(key(f))
		if raw.IsZero() || raw.Type == bson.TypeNull {
			continue
		}
		values = append(values, raw)
	}
	return values
}

// checkReferrers fails when rows refer to one of the values, which the field of
// the table no longer has.
func (u *unit) checkReferrers(ctx context.Context, t *store.Table, name string, values []any) error {
	return referrers(t, func(child *store.Table, f *store.Field) error {
		if f.References.Field != name || len(values) == 0 {
			return nil
		}
		refers, err := u.refers(ctx, child, f, values)
		if err == nil && refers {
			err = fmt.Errorf("%w: %s refers to the %s", store.ErrReference, child.Name, name)
		}
		return err
	})
}

// refers tells whether a row of the table has one of the values in the field.
func (u *unit) refers(ctx context.Context, t *store.Table, f *store.Field, values []any) (bool, error) {
	err := u.store.collection(t).FindOne(u.reading(ctx), among(f, values)).Err()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return false, nil
	}
	return err == nil, failure(ctx, t, err)
}

// removed does to the rows that refer to deleted ones what their references
// say.
func (u *unit) removed(ctx context.Context, t *store.Table, docs []bson.Raw) error {
	return referrers(t, func(child *store.Table, f *store.Field) error {
		for values := range slices.Chunk(valuesOf(t.Field(f.References.Field), docs), batch) {
			if err := u.unlink(ctx, child, f, values); err != nil {
				return err
			}
			u.lookAgain(link{table: child, field: f, values: values, deleted: true})
		}
		return nil
	})
}

// unlink frees the table of the rows that refer to deleted ones by the values.
func (u *unit) unlink(ctx context.Context, t *store.Table, f *store.Field, values []any) error {
	switch f.References.OnDelete {
	case store.Cascade:
		_, err := u.remove(ctx, t, among(f, values))
		return err
	case store.SetNull:
		_, err := u.update(ctx, t, among(f, values), store.Record{f.Name: nil})
		return err
	}
	refers, err := u.refers(ctx, t, f, values)
	if err == nil && refers {
		err = fmt.Errorf("%w: %s refers to the row", store.ErrReference, t.Name)
	}
	return err
}

// settle looks at references once more after a commit. A transaction does not
// see what another one writes at the same time: a row that refers to one which
// another transaction has deleted meanwhile is treated as if the deletion had
// come after it.
func (s *Store) settle(ctx context.Context, links []link) {
	for _, l := range links {
		u := s.newUnit(nil, false)
		if l.deleted {
			if refers, err := u.refers(ctx, l.table, l.field, l.values); err != nil || !refers {
				continue
			}
		}
		if gone, err := u.missing(ctx, l); err != nil || len(gone) == 0 {
			continue
		}
		_ = s.atOnce(ctx, func(ctx context.Context, u *unit) error {
			gone, err := u.missing(ctx, l)
			if err != nil || len(gone) == 0 {
				return err
			}
			return u.unlink(ctx, l.table, l.field, gone)
		})
	}
}

// missing returns those of the link's values that no row has any more.
func (u *unit) missing(ctx context.Context, l link) ([]any, error) {
	there, err := u.existing(ctx, l.field.References, l.values)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(l.values), func(v any) bool {
		return slices.ContainsFunc(there, func(w any) bool { return same(v, w) })
	}), nil
}

// same compares two values as they are kept.
func same(a, b any) bool {
	_, x, errA := bson.MarshalValue(a)
	_, y, errB := bson.MarshalValue(b)
	return errA == nil && errB == nil && slices.Equal(x, y)
}

// find returns the documents, with only the named fields where any are named.
func (u *unit) find(ctx context.Context, t *store.Table, filter bson.D, keys ...string) ([]bson.Raw, error) {
	settings := options.Find()
	if len(keys) > 0 {
		settings.SetProjection(projection(keys))
	}
	cursor, err := u.store.collection(t).Find(u.reading(ctx), filter, settings)
	if err != nil {
		return nil, failure(ctx, t, err)
	}
	var docs []bson.Raw
	if err := cursor.All(u.reading(ctx), &docs); err != nil {
		return nil, failure(ctx, t, err)
	}
	return docs, nil
}

// projection asks for the keys and the id.
func projection(keys []string) bson.D {
	wanted := bson.D{{Key: idKey, Value: 1}}
	for _, k := range keys {
		if k != idKey {
			wanted = append(wanted, bson.E{Key: k, Value: 1})
		}
	}
	return wanted
}
