package bunstore

import (
	"strconv"

	"github.com/ostiary/ostiary/store"
)

// statement is SQL text in the making, with the arguments its placeholders
// stand for. Nothing that came from a caller gets into the text except names
// of the schema, which hold letters, digits and _ only.
type statement struct {
	dialect dialect
	text    []byte
	args    []any
	// qualifier is what stands before every column name, with its dot. Columns
	// are always qualified: SQLite takes an unqualified name in double quotes
	// that it does not know for a string.
	qualifier string
}

func (s *Store) statement() *statement {
	return &statement{dialect: s.dialect, text: make([]byte, 0, 512)}
}

func (st *statement) write(sql string) { st.text = append(st.text, sql...) }

func (st *statement) name(name string) { st.write(st.dialect.quote(name)) }

// table writes the table's name.
func (st *statement) table(t *store.Table) { st.write(qualified(st.dialect, t)) }

func (st *statement) column(f *store.Field) {
	st.write(st.qualifier)
	st.name(f.DBName())
}

// columns lists columns, with commas.
func (st *statement) columns(fields []*store.Field) {
	for i, f := range fields {
		if i > 0 {
			st.write(", ")
		}
		st.column(f)
	}
}

// arg writes a placeholder for a value that is in the driver's form.
func (st *statement) arg(v any) {
	st.args = append(st.args, v)
	st.text = st.dialect.appendPlaceholder(st.text, len(st.args))
}

// value writes a placeholder for a canonical value of the field.
func (st *statement) value(f *store.Field, v any) {
	st.arg(bound(st.dialect, f, v))
	st.write(st.dialect.cast(f))
}

// bound is a canonical value of the field in the driver's form. An id that the
// database keeps as a number is one.
func bound(d dialect, f *store.Field, v any) any {
	if id, ok := v.(string); ok && f.IDKind() == store.SerialID {
		if n, err := strconv.ParseInt(id, 10, 64); err == nil {
			return n
		}
	}
	return d.encode(f.Type, v)
}

// qualify makes columns those of the table by its own name.
func (st *statement) qualify(t *store.Table) { st.qualifier = st.dialect.quote(t.DBName()) + "." }

// qualified is the table's name as the text of statements has it.
func qualified(d schemaDialect, t *store.Table) string {
	name := d.quote(t.DBName())
	if schema := t.DBSchema(); schema != "" {
		return d.quote(schema) + "." + name
	}
	return name
}
