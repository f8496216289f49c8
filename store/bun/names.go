package bunstore

import (
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/ostiary/ostiary/store"
)

// maxName is the most bytes PostgreSQL keeps of a name.
const maxName = 63

// The kinds of what has a name beside its table, and the ends of these names.
const (
	indexKind      = "_idx"
	uniqueKind     = "_uidx"
	foreignKind    = "_fkey"
	primaryKeyKind = "_pkey"
)

// object is an index or a constraint over fields of a table.
type object struct {
	table  *store.Table
	fields []string
	kind   string
}

func indexObject(t *store.Table, fields []string, unique bool) object {
	if unique {
		return object{t, fields, uniqueKind}
	}
	return object{t, fields, indexKind}
}

// indexName is the table, the columns and the kind of index. A name that is too
// long keeps its beginning and its kind, and a hash of the rest; so does one
// that something before it in the schema has as well.
func indexName(t *store.Table, fields []string, unique bool) string {
	return indexObject(t, fields, unique).name()
}

func (o object) name() string {
	plain := o.plain()
	for _, t := range o.table.Schema().Tables() {
		if strings.EqualFold(t.DBName(), plain) {
			return o.hashed()
		}
	}
	for _, other := range objectsLike(o) {
		if other.is(o) {
			break
		}
		if strings.EqualFold(other.plain(), plain) {
			return o.hashed()
		}
	}
	return plain
}

// ambiguous tells whether something else in the schema would have the name too.
func (o object) ambiguous() bool {
	plain := o.plain()
	for _, other := range objectsLike(o) {
		if !other.is(o) && strings.EqualFold(other.plain(), plain) {
			return true
		}
	}
	return false
}

func (o object) is(other object) bool {
	return o.table == other.table && o.kind == other.kind && strings.Join(o.fields, "\x00") == strings.Join(other.fields, "\x00")
}

func (o object) base() string {
	parts := append([]string{o.table.DBName()}, columnNames(o.table, o.fields)...)
	return strings.Join(parts, "_")
}

// plain is the name as long as it is short enough.
func (o object) plain() string {
	base := o.base()
	if len(base)+len(o.kind) <= maxName {
		return base + o.kind
	}
	return shorten(base, base, o.kind)
}

// hashed is a name that is no other object's: what is hashed says where the
// name of the table ends and that of each column.
func (o object) hashed() string {
	apart := append([]string{o.table.DBName()}, columnNames(o.table, o.fields)...)
	return shorten(o.base(), strings.Join(apart, "\x00"), o.kind)
}

func shorten(base, hashed, kind string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(hashed))
	end := fmt.Sprintf("_%08x", h.Sum32()) + kind
	return base[:min(len(base), maxName-len(end))] + end
}

// objectsLike lists everything in the schema that is named as o is.
func objectsLike(o object) []object {
	var all []object
	for _, t := range o.table.Schema().Tables() {
		if o.kind == primaryKeyKind {
			all = append(all, object{t, nil, o.kind})
			continue
		}
		if o.kind != foreignKind {
			for _, ix := range t.Indexes {
				if ix.Unique == (o.kind == uniqueKind) {
					all = append(all, object{t, ix.Fields, o.kind})
				}
			}
		}
		for _, f := range t.Fields {
			if own := fieldKind(f, o.kind); own == o.kind {
				all = append(all, object{t, []string{f.Name}, o.kind})
			}
		}
	}
	return all
}

// fieldKind is the kind of object that a field has by itself; where it may have
// two, the one asked for.
func fieldKind(f *store.Field, wanted string) string {
	switch {
	case wanted == foreignKind && f.References != nil:
		return foreignKind
	case f.Name == store.ID:
		return primaryKeyKind
	case f.Unique:
		return uniqueKind
	case f.Indexed || f.References != nil:
		return indexKind
	}
	return ""
}

func columnNames(t *store.Table, fields []string) []string {
	columns := make([]string, len(fields))
	for i, name := range fields {
		columns[i] = t.Field(name).DBName()
	}
	return columns
}
