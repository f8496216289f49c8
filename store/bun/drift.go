package bunstore

import (
	"crypto/rand"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/ostiary/ostiary/store"
)

// compare warns of what a live table has that does not fit the schema.
func (p *plan) compare(t *store.Table, live *liveTable) {
	folding := map[string][]string{} // columns by collation
	known := map[string]bool{}
	for _, f := range t.Fields {
		known[p.dialect.foldName(f.DBName())] = true
		c := live.columns[p.dialect.foldName(f.DBName())]
		if c == nil {
			continue
		}
		p.compareColumn(t, f, c)
		if f.References != nil {
			p.compareReference(t, f, live)
		}
		if f.Type == store.String && c.folds != "" {
			folding[c.folds] = append(folding[c.folds], c.name)
		}
	}
	for _, collation := range slices.Sorted(maps.Keys(folding)) {
		columns := strings.Join(folding[collation], ", ")
		if ignoresSpaces(collation) {
			p.warn("table %q compares text of %s by %s, which ignores spaces at the end: change the columns to a collation that does not", t.DBName(), columns, collation)
			continue
		}
		p.warn("table %q compares text of %s by %s, which takes different texts for equal: change the columns to a collation that compares bytes",
			t.DBName(), columns, collation)
	}
	p.compareOthers(t, live, known)
	p.compareKey(t)
}

// ignoresSpaces tells whether a collation that is not exact compares bytes but
// for spaces at the end: so do MySQL's older ones.
func ignoresSpaces(collation string) bool {
	return strings.HasSuffix(collation, "_bin") || collation == "RTRIM"
}

// compareKey refuses a table in which two rows could have the same id.
func (p *plan) compareKey(t *store.Table) {
	id := []string{t.Field(store.ID).DBName()}
	if p.live.column(t.DBName(), id[0]) == nil {
		return
	}
	if p.live.serving(t.DBName(), id, true) == nil {
		p.refuse("table %q has neither a primary key nor a unique index over its column %q alone: give it one", t.DBName(), id[0])
	}
	p.warnStricter(t, []string{store.ID}, id)
}

func (p *plan) compareColumn(t *store.Table, f *store.Field, c *liveColumn) {
	if p.refusesIDs(t, f, c) {
		return
	}
	if p.dialect.kinds(c.typ)&kindOf(f) == 0 {
		p.warn("column %q of table %q is %s, which is not for %s", c.name, t.DBName(), c.typ, kindName(f))
	}
	if f.Required && c.null {
		p.warn("column %q of table %q may be null, which the schema does not allow", c.name, t.DBName())
	}
}

// refusesIDs tells whether no row could be written to the column, or read from
// it, because of the policy of ids, and refuses the plan then.
func (p *plan) refusesIDs(t *store.Table, f *store.Field, c *liveColumn) bool {
	switch {
	case f.IDKind() == 0:
		return false
	case !p.canKeep(t, f, c):
		p.refuse("column %q of table %q is %s, which cannot keep %s: choose the kind of ids that the database has, or convert its columns",
			c.name, t.DBName(), c.typ, kindName(f))
		return true
	case f.Name == store.ID && !c.made && p.dialect.generated(p.schema.IDs()) != "":
		p.refuse("column %q of table %q has no default, though the database is to make the ids: give it one, or choose ids that the application makes",
			c.name, t.DBName())
		return true
	}
	return false
}

// canKeep tells whether the ids of the field can be written to the live column,
// found there and read. A type that is unknown, such as a domain, is taken to be
// right.
func (p *plan) canKeep(t *store.Table, f *store.Field, c *liveColumn) bool {
	has := p.dialect.kinds(c.typ)
	key := f.Name == store.ID
	switch {
	case has == 0 || has&kindOf(f) != 0:
		return true
	case f.IDKind() == store.SerialID:
		// Text that refers to a number is taken for one, but it does not count.
		return has&kindFloat != 0 && isDecimal(c.typ) || has&kindText != 0 && p.traits.coerces && !key
	case p.traits.anyValue && !p.live.table(t.DBName()).strict:
		// All but the key that counts takes any value.
		return !key || !c.made
	case f.IDKind() == store.TextID:
		return p.ownIDsFit(t, f, has)
	}
	return false
}

// isDecimal tells whether numbers of the type are exact, and read as text.
func isDecimal(liveType string) bool {
	word := firstWord(liveType)
	return word == "numeric" || word == "decimal"
}

// ownIDsFit tells whether the text that the policy makes is what a column of
// other kinds takes: an application's function may make UUIDs or numbers. One
// that fails is not judged.
func (p *plan) ownIDsFit(t *store.Table, f *store.Field, has kinds) bool {
	for f.Name != store.ID {
		t = f.References.Target()
		f = t.Field(f.References.Field)
	}
	id, err := p.schema.IDs().New(rand.Reader, t.Name)
	if err != nil {
		return true
	}
	if _, err := uuid.Parse(id); err == nil {
		return has&kindUUID != 0
	}
	_, err = strconv.ParseInt(id, 10, 64)
	return err == nil && has&(kindInt|kindFloat) != 0
}

func (p *plan) compareReference(t *store.Table, f *store.Field, live *liveTable) {
	target := f.References.Target()
	column := target.Field(f.References.Field).DBName()
	found := slices.IndexFunc(live.references, func(r liveReference) bool {
		return r.column == p.dialect.foldName(f.DBName()) && r.table == p.live.foldTable(target.DBName()) && r.target == p.dialect.foldName(column)
	})
	if found < 0 {
		p.warn("column %q of table %q has no foreign key to %q of %q: rows may refer to nothing", f.DBName(), t.DBName(), column, target.DBName())
		return
	}
	if does, wanted := live.references[found].onDelete, p.action(f); does != wanted {
		p.warn("the foreign key of column %q of table %q does %s on delete where the schema wants %s", f.DBName(), t.DBName(), does, wanted)
	}
}

// compareOthers warns of columns outside the schema that keep rows from being
// added.
func (p *plan) compareOthers(t *store.Table, live *liveTable, known map[string]bool) {
	var needed []string
	for folded, c := range live.columns {
		if !known[folded] && !c.null && !c.made {
			needed = append(needed, c.name)
		}
	}
	slices.Sort(needed)
	for _, name := range needed {
		p.warn("column %q of table %q is not in the schema, may not be null and has no default: no row can be added", name, t.DBName())
	}
}

func (p *plan) warnPartial(t *store.Table, columns []string) {
	for _, ix := range p.live.indexes[p.live.foldTable(t.DBName())] {
		if ix.partial && ix.covers(columns, true, p.dialect.foldName) {
			p.warn("index %q of table %q makes %s unique in some rows only; one over all rows is missing", ix.name, t.DBName(), strings.Join(columns, ", "))
		}
	}
}

// warnStricter warns of unique indexes that keep rows out which the schema
// allows.
func (p *plan) warnStricter(t *store.Table, fields, columns []string) {
	for _, ix := range p.live.indexes[p.live.foldTable(t.DBName())] {
		if !ix.covers(columns, true, p.dialect.foldName) {
			continue
		}
		if ix.oneNull && slices.ContainsFunc(fields, func(name string) bool { return !t.Field(name).Required }) {
			p.warn("index %q of table %q takes null for a value like others: of the rows without %s there can be one only", ix.name, t.DBName(), strings.Join(columns, ", "))
		}
		for i, by := range ix.by {
			if by != "" {
				p.warn("index %q of table %q compares %s by %s, which takes different texts for equal", ix.name, t.DBName(), ix.columns[i], by)
			}
		}
	}
}

// action is what the reference does on delete, in SQL.
func (p *plan) action(f *store.Field) string {
	switch f.References.OnDelete {
	case store.SetNull:
		return "SET NULL"
	case store.Restrict:
		return p.traits.restrict
	}
	return "CASCADE"
}

// sameAction makes the names of what is done on delete ours: what RESTRICT and
// NO ACTION do is the same to rows that are deleted one by one.
func sameAction(action, restrict string) string {
	action = strings.ToUpper(strings.ReplaceAll(action, "_", " "))
	if action == "NO ACTION" || action == "RESTRICT" {
		return restrict
	}
	return action
}

// rule is a reference that changes rows on delete, from the table referred to
// on to the one that refers. The names are folded.
type rule struct{ from, to string }

func (p *plan) liveRules() {
	if !p.traits.onePath {
		return
	}
	for name, t := range p.live.tables {
		for _, r := range t.references {
			if r.onDelete != p.traits.restrict {
				p.rules = append(p.rules, rule{r.table, name})
			}
		}
	}
}

// onDelete is what a new reference does. SQL Server refuses a reference by which
// a delete could reach a table on two ways, or come back to where it began
// (error 1785); such a one does nothing there, and rows that refer stop the
// delete.
func (p *plan) onDelete(t *store.Table, f *store.Field) string {
	action := p.action(f)
	if !p.traits.onePath || action == p.traits.restrict {
		return action
	}
	added := rule{p.live.foldTable(f.References.Target().DBName()), p.live.foldTable(t.DBName())}
	if severalPaths(append(slices.Clone(p.rules), added)) {
		p.warn("the foreign key of column %q of table %q cannot do %s on delete, as SQL Server has one way for a delete to each table: rows of %q cannot be deleted while rows of %q refer to them",
			f.DBName(), t.DBName(), action, f.References.Target().DBName(), t.DBName())
		return p.traits.restrict
	}
	p.rules = append(p.rules, added)
	return action
}

// severalPaths tells whether from some table another one, or itself, is reached
// on more than one way.
func severalPaths(rules []rule) bool {
	for _, start := range rules {
		reached := map[string]bool{start.from: true}
		next := []string{start.from}
		for len(next) > 0 {
			from := next[0]
			next = next[1:]
			for _, r := range rules {
				if r.from != from {
					continue
				}
				if reached[r.to] {
					return true
				}
				reached[r.to] = true
				next = append(next, r.to)
			}
		}
	}
	return false
}
