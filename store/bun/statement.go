package bunstore

import "github.com/ostiary/ostiary/store"

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

func (st *statement) name(name string) {
	st.text = append(st.text, '"')
	st.text = append(st.text, name...)
	st.text = append(st.text, '"')
}

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

// value writes a placeholder for a canonical value of the type.
func (st *statement) value(t store.Type, v any) { st.arg(st.dialect.encode(t, v)) }

// qualify makes columns those of the table by its own name.
func (st *statement) qualify(t *store.Table) { st.qualifier = quoted(t.DBName()) + "." }

func quoted(name string) string { return `"` + name + `"` }
