package bunstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/ostiary/ostiary/store"
)

// children are the rows of another table that refer to the row of a query.
type children struct {
	table  *store.Table
	ref    *store.Field // refers to parent
	parent *store.Field
	as     string
	alias  string
	sort   []store.Sort
	limit  int
}

// newChildren is the n-th of a query, whose Children are canonical.
func newChildren(t *store.Table, n int, c store.Children) *children {
	table := t.Schema().Table(c.Table)
	ref := table.Field(c.Field)
	limit := c.Limit
	switch limit {
	case 0:
		limit = store.DefaultLimit
	case store.NoLimit:
		limit = math.MaxInt
	}
	return &children{
		table: table, ref: ref, parent: t.Field(ref.References.Field),
		as: c.As, alias: "c" + strconv.Itoa(n), sort: c.Sort, limit: limit,
	}
}

// from writes FROM and WHERE of the query for the children.
func (c *children) from(st *statement) {
	st.write(" FROM ")
	st.table(c.table)
	st.write(" AS " + c.alias + " WHERE ")
	st.qualifier = c.alias + "."
	st.column(c.ref)
	st.write(" = " + baseAlias + ".")
	st.name(c.parent.DBName())
}

// page writes its ORDER BY and its limit, which it always has: SQLite leaves out
// an order that it takes for useless.
func (c *children) page(st *statement) {
	st.orderBy(c.table, c.sort)
	st.dialect.page(st, len(c.sort) > 0, c.limit, 0)
}

// rowWidth is how many values one call of a function of the database makes a
// JSON array of: PostgreSQL takes no more than 100.
const rowWidth = 50

// jsonRow writes a JSON array of the fields' values with the function of that
// name: of the values themselves, or of such arrays where they are many.
func (c *children) jsonRow(st *statement, function string, value func(st *statement, f *store.Field)) {
	st.qualifier = c.alias + "."
	fields := c.table.Fields
	nested := len(fields) > rowWidth
	st.write(function + "(")
	for i, f := range fields {
		switch {
		case nested && i%rowWidth == 0 && i > 0:
			st.write("), " + function + "(")
		case nested && i == 0:
			st.write(function + "(")
		case i > 0:
			st.write(", ")
		}
		value(st, f)
	}
	if nested {
		st.write(")")
	}
	st.write(")")
}

// ordered writes the children as an aggregate over rows that a subquery has
// ordered and limited.
func (c *children) ordered(st *statement, aggregate, function string, value func(st *statement, f *store.Field)) {
	st.write("(SELECT " + aggregate + " FROM (SELECT ")
	c.jsonRow(st, function, value)
	st.write(" AS r")
	c.from(st)
	c.page(st)
	st.write(") AS " + c.alias + ")")
}

// decode reads what the database returned for the children. Null stands for
// none.
func (c *children) decode(v any) (any, error) {
	rows, err := c.records(v)
	switch {
	case err != nil:
		return nil, fmt.Errorf("rows of %q: %w", c.table.Name, err)
	case !c.ref.Unique:
		return rows, nil
	case len(rows) == 0:
		return nil, nil
	}
	return rows[0], nil
}

func (c *children) records(v any) ([]store.Record, error) {
	var text []byte
	switch v := v.(type) {
	case nil:
		return []store.Record{}, nil
	case string:
		text = []byte(v)
	case []byte:
		text = v
	default:
		return nil, fmt.Errorf("the database returned %T for a list", v)
	}
	var rows []json.RawMessage
	if err := json.Unmarshal(text, &rows); err != nil {
		// The most likely cause is a limit of the server on the size of a value.
		return nil, fmt.Errorf("the database returned a list that is cut short or none: %w", err)
	}
	found := make([]store.Record, len(rows))
	for i, row := range rows {
		values, err := c.values(row)
		if err != nil {
			return nil, err
		}
		found[i] = make(store.Record, len(values))
		if err := fill(found[i], c.table.Fields, values); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// values reads one row into what a driver would have returned for it.
func (c *children) values(row json.RawMessage) ([]any, error) {
	tokens, err := c.tokens(row)
	if err != nil {
		return nil, fmt.Errorf("the database returned a row in an unknown form: %w", err)
	}
	values := make([]any, len(c.table.Fields))
	for i, f := range c.table.Fields {
		if values[i], err = scalar(f.Type, tokens[i]); err != nil {
			return nil, fmt.Errorf("field %q: %w", f.Name, err)
		}
	}
	return values, nil
}

// tokens takes a row apart into the JSON of each value.
func (c *children) tokens(row json.RawMessage) ([]json.RawMessage, error) {
	width := len(c.table.Fields)
	tokens := make([]json.RawMessage, 0, width)
	switch {
	case bytes.HasPrefix(row, []byte("{")):
		var byPosition map[string]json.RawMessage
		if err := json.Unmarshal(row, &byPosition); err != nil {
			return nil, err
		}
		for i := range width {
			tokens = append(tokens, byPosition[strconv.Itoa(i)])
		}
	case width > rowWidth:
		var parts [][]json.RawMessage
		if err := json.Unmarshal(row, &parts); err != nil {
			return nil, err
		}
		for _, part := range parts {
			tokens = append(tokens, part...)
		}
	default:
		if err := json.Unmarshal(row, &tokens); err != nil {
			return nil, err
		}
	}
	if len(tokens) != width {
		return nil, fmt.Errorf("%d values for %d fields", len(tokens), width)
	}
	return tokens, nil
}

// scalar is the value of one field: text where JSON has text or a number, whose
// digits are all kept, and a time where it counts milliseconds.
func scalar(t store.Type, token json.RawMessage) (any, error) {
	switch {
	case len(token) == 0, string(token) == "null":
		return nil, nil
	case string(token) == "true":
		return true, nil
	case string(token) == "false":
		return false, nil
	case token[0] == '"':
		var text string
		err := json.Unmarshal(token, &text)
		return text, err
	case t == store.Time:
		ms, err := strconv.ParseInt(string(token), 10, 64)
		return time.UnixMilli(ms), err
	}
	return string(token), nil
}
