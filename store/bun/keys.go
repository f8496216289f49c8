package bunstore

import (
	"strings"

	"github.com/ostiary/ostiary/store"
)

// keyLengths are the most characters of each text field that is part of an
// index. A field that refers to another one is as long as that.
func keyLengths(schema *store.Schema, tr traits) map[*store.Field]int {
	lengths := map[*store.Field]int{}
	if tr.keyBytes == 0 {
		return lengths
	}
	for _, t := range schema.Tables() {
		for _, f := range t.Fields {
			switch {
			case f.Type != store.String || f.IDKind() > store.TextID:
			case f.IDKind() == store.TextID:
				lengths[f] = idLength
			case f.Unique || f.Indexed || f.References != nil:
				lengths[f] = keyLength
			}
		}
	}
	for _, t := range schema.Tables() {
		for _, ix := range t.Indexes {
			fitKey(t, ix.Fields, lengths, tr)
		}
	}
	for changed := true; changed; {
		changed = false
		for _, t := range schema.Tables() {
			for _, f := range t.Fields {
				if f.References == nil || f.Type != store.String {
					continue
				}
				if n := lengths[f.References.Target().Field(f.References.Field)]; n > 0 && n < lengths[f] {
					lengths[f], changed = n, true
				}
			}
		}
	}
	return lengths
}

const (
	// idLength is for ids of the application's own making; random ones have 32
	// characters.
	idLength  = 64
	keyLength = 255
)

// fitKey shortens the text of an index until a row's share of it fits.
func fitKey(t *store.Table, fields []string, lengths map[*store.Field]int, tr traits) {
	rest, texts := tr.keyBytes, 0
	for _, name := range fields {
		if f := t.Field(name); f.Type == store.String && f.IDKind() == 0 {
			texts++
		} else {
			rest -= fixedBytes(f, tr)
		}
	}
	if texts == 0 {
		return
	}
	most := max(1, rest/texts/tr.charBytes)
	for _, name := range fields {
		f := t.Field(name)
		if f.Type != store.String || f.IDKind() != 0 {
			continue
		}
		if n := lengths[f]; n == 0 {
			lengths[f] = min(keyLength, most)
		} else {
			lengths[f] = min(n, most)
		}
	}
}

// fixedBytes is the share of a field in an index whose length does not depend
// on the others.
func fixedBytes(f *store.Field, tr traits) int {
	switch f.IDKind() {
	case store.TextID:
		return idLength * tr.charBytes
	case store.UUIDID:
		return uuidLength * tr.charBytes
	}
	return 8
}

const uuidLength = 36

// shorten gives the columns of an index prefixes where live text is too long
// for it.
func (p *plan) shorten(t *store.Table, def *indexDef) {
	rest, texts, total, long := p.traits.keyBytes, 0, 0, false
	for _, name := range def.fields {
		f := t.Field(name)
		n := p.textLength(t, f)
		switch {
		case n < 0:
			long, texts = true, texts+1
		case n > 0:
			texts, total = texts+1, total+n*p.traits.charBytes
		default:
			rest -= 8
		}
	}
	if !long && (total <= rest || !p.traits.prefixes) {
		return
	}
	most := min(keyLength, rest/texts/p.traits.charBytes)
	for _, name := range def.fields {
		n := p.textLength(t, t.Field(name))
		if n >= 0 && n <= most {
			n = 0
		} else {
			n = most
		}
		def.prefix = append(def.prefix, n)
	}
	p.cut(t, def, most)
}

// cut says what an index over the beginning of text means.
func (p *plan) cut(t *store.Table, def *indexDef, most int) {
	columns := strings.Join(def.columns, ", ")
	switch {
	case !p.traits.prefixes:
		def.prefix = nil
		p.refuse("table %q lacks %s over %s, whose text is too long for one: give the columns a length of %d or less",
			t.DBName(), indexNoun(def.unique), columns, most)
	case def.unique:
		p.warn("the unique index over %s of table %q takes texts for equal whose first %d characters are, as they may be longer than an index holds",
			columns, t.DBName(), most)
	}
}

// textLength is how many characters of text the column has at most: 0 for what
// is no text, -1 for text that no index takes whole.
func (p *plan) textLength(t *store.Table, f *store.Field) int {
	if live := p.live.column(t.DBName(), f.DBName()); live != nil {
		return int(live.length)
	}
	if live := p.liveTarget(f); live != nil {
		return int(live.length)
	}
	if f.IDKind() == store.UUIDID {
		return uuidLength
	}
	return p.lengths[f]
}
