package bunstore

import (
	"database/sql"
	"slices"
	"strconv"
	"strings"
)

// liveSchema is what a database has. Names in keys are folded.
type liveSchema struct {
	// foldTable is the form in which two names of tables are the same.
	foldTable func(string) string
	foldName  func(string) string
	tables    map[string]*liveTable
	indexes   map[string][]*liveIndex // by table
	// named are tables and indexes by name, and what else has a name that is none
	// for them; those indexes with the table's name before theirs whose names are
	// the table's own.
	named map[string]bool
	// perTable tells that names of indexes are the table's own.
	perTable bool
	// collation is that of text in new tables, empty where columns say it.
	collation string
}

type liveTable struct {
	name string
	// view tells that it has no rows of its own.
	view bool
	// strict tells that columns must have one of SQLite's own types.
	strict  bool
	columns map[string]*liveColumn
	// references are the foreign keys of one column.
	references []liveReference
}

type liveColumn struct {
	name string
	// typ is what a column that refers to this one is declared as.
	typ  string
	null bool
	// made tells that a row which leaves the column out gets a value.
	made bool
	// folds names the collation if it takes different texts for equal.
	folds string
	// length is the most characters of text: 0 for what is no text, -1 for text
	// that no index takes whole.
	length int64
}

// liveReference is a foreign key that exists; its names are folded.
type liveReference struct {
	column, table, target string
	onDelete              string
}

// liveIndex is an index that exists. A full one is over plain columns and of
// all rows.
type liveIndex struct {
	name         string
	columns      []string
	unique, full bool
	// partial tells that it is over plain columns of some rows only.
	partial bool
	// oneNull tells that it takes null for a value like others.
	oneNull bool
	// by tells of each column how it is compared where that takes different
	// values for equal, and is empty where it does not.
	by []string
}

func newLiveSchema(d schemaDialect) *liveSchema {
	return &liveSchema{
		foldTable: d.foldName,
		foldName:  d.foldName,
		tables:    map[string]*liveTable{},
		indexes:   map[string][]*liveIndex{},
		named:     map[string]bool{},
	}
}

func (l *liveSchema) table(name string) *liveTable { return l.tables[l.foldTable(name)] }

func (l *liveSchema) column(table, column string) *liveColumn {
	t := l.table(table)
	if t == nil {
		return nil
	}
	return t.columns[l.foldName(column)]
}

// readColumns takes rows of table, view, column, type, may be null, gets a value
// by itself, collation that folds, length.
func (l *liveSchema) readColumns(rows *sql.Rows, err error) error {
	return each(rows, err, func(rows *sql.Rows) error {
		var table string
		var view bool
		var c liveColumn
		if err := rows.Scan(&table, &view, &c.name, &c.typ, &c.null, &c.made, &c.folds, &c.length); err != nil {
			return err
		}
		t := l.table(table)
		if t == nil {
			t = l.addTable(table, view)
		}
		t.columns[l.foldName(c.name)] = &c
		return nil
	})
}

// readNames takes rows of names that neither a table nor an index can have.
func (l *liveSchema) readNames(rows *sql.Rows, err error) error {
	return each(rows, err, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		l.named[l.foldName(name)] = true
		return err
	})
}

func (l *liveSchema) addTable(name string, view bool) *liveTable {
	t := &liveTable{name: name, view: view, columns: map[string]*liveColumn{}}
	l.tables[l.foldTable(name)] = t
	l.named[l.foldName(name)] = true
	return t
}

// readIndexes takes rows of table, index, unique, over plain columns, of all
// rows, null is a value like others, column, how the column is compared, those
// of one index together and in its order. The column is empty where the index is
// over an expression; for the last see [liveIndex.by].
func (l *liveSchema) readIndexes(rows *sql.Rows, err error) error {
	var last *liveIndex
	var lastTable string
	return each(rows, err, func(rows *sql.Rows) error {
		var table, column, by string
		var plain, whole bool
		var ix liveIndex
		if err := rows.Scan(&table, &ix.name, &ix.unique, &plain, &whole, &ix.oneNull, &column, &by); err != nil {
			return err
		}
		if last == nil || last.name != ix.name || lastTable != table {
			ix.full, ix.partial = plain && whole, plain && !whole
			last, lastTable = &ix, table
			l.addIndex(table, last)
		}
		last.columns, last.by = append(last.columns, column), append(last.by, by)
		last.full = last.full && column != ""
		last.partial = last.partial && column != ""
		return nil
	})
}

// readReferences takes rows of table, column, table referred to, column
// referred to, what is done on delete.
func (l *liveSchema) readReferences(rows *sql.Rows, err error) error {
	return each(rows, err, func(rows *sql.Rows) error {
		var table string
		var r liveReference
		if err := rows.Scan(&table, &r.column, &r.table, &r.target, &r.onDelete); err != nil {
			return err
		}
		if t := l.table(table); t != nil {
			r.column, r.table, r.target = l.foldName(r.column), l.foldTable(r.table), l.foldName(r.target)
			t.references = append(t.references, r)
		}
		return nil
	})
}

func (l *liveSchema) addIndex(table string, ix *liveIndex) {
	table = l.foldTable(table)
	l.indexes[table] = append(l.indexes[table], ix)
	l.named[l.indexKey(table, ix.name)] = true
}

func (l *liveSchema) indexKey(table, name string) string {
	if l.perTable {
		return l.foldTable(table) + "." + l.foldName(name)
	}
	return l.foldName(name)
}

// takenByOther tells whether a table cannot have the name, as something that is
// no table has it.
func (l *liveSchema) takenByOther(table string) bool {
	return !l.perTable && l.table(table) == nil && l.named[l.foldName(table)]
}

// taken tells whether an index of the table cannot have the name.
func (l *liveSchema) taken(table, name string) bool { return l.named[l.indexKey(table, name)] }

// serving returns the table's index that does what one over the columns should,
// or nil.
func (l *liveSchema) serving(table string, columns []string, unique bool) *liveIndex {
	for _, ix := range l.indexes[l.foldTable(table)] {
		if ix.full && ix.covers(columns, unique, l.foldName) {
			return ix
		}
	}
	return nil
}

// covers tells whether the index is over what one over the columns should be:
// the same columns in any order where they are to be unique, and columns that
// begin with these where they are to be found.
func (ix *liveIndex) covers(columns []string, unique bool, fold func(string) string) bool {
	if len(ix.columns) < len(columns) {
		return false
	}
	same := func(a, b string) bool { return fold(a) == fold(b) }
	if !unique {
		return slices.EqualFunc(ix.columns[:len(columns)], columns, same)
	}
	return ix.unique && len(ix.columns) == len(columns) &&
		!slices.ContainsFunc(columns, func(wanted string) bool {
			return !slices.ContainsFunc(ix.columns, func(c string) bool { return same(c, wanted) })
		})
}

// fractions is how many digits of a second a live type keeps: those in its
// parentheses, or what it keeps without any.
func fractions(liveType string, otherwise int) int {
	_, rest, found := strings.Cut(liveType, "(")
	digits, _, _ := strings.Cut(rest, ")")
	if n, err := strconv.Atoi(digits); found && err == nil {
		return n
	}
	return otherwise
}

// firstWord is a type without its length and what follows, in lower case.
func firstWord(liveType string) string {
	liveType = strings.ToLower(liveType)
	if i := strings.IndexAny(liveType, " ("); i >= 0 {
		return liveType[:i]
	}
	return liveType
}
