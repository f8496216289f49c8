package bunstore_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
)

// hostile are texts that mean something to a database somewhere.
var hostile = []string{
	"", " ", "'", "''", `"`, `\`, `\'`, `\\`, "--", "/*", ";", "$1", "$$", "?", ":id", "%", "_", "!", "!%", "*", "[a]", "[^a]",
	"{}", `{"a"}`, `","`, "NULL", "null", "true", "0", "-1", "'; DROP TABLE users; --", "a\nb", "\t", "\r\n", "é", "É", "ß", "İ", "K",
	"Ä", "ä", "Ã", "ã", "㩀", "a ", "😀", "\u200b", "\ufeff", "a\u0301", strings.Repeat("x", 70_000),
}

func FuzzTextIsOnlyEverData(f *testing.F) {
	for _, s := range hostile {
		f.Add(s, "a")
		f.Add("a"+s+"b", s)
	}
	schema := textSchema(f)
	s := open(f, "sqlite::memory:")
	migrate(f, s, schema)
	f.Fuzz(func(t *testing.T, text, part string) { textIsData(t, s, schema, text, part) })
}

func TestTextIsOnlyEverDataOnServers(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(testing.TB) string{"PostgreSQL": testenv.Postgres, "MariaDB": testenv.MySQL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			schema := textSchema(t)
			s := open(t, url(t))
			migrate(t, s, schema)
			for _, text := range hostile {
				textIsData(t, s, schema, text, "a")
				textIsData(t, s, schema, "a"+text+"b", text)
			}
		})
	}
}

func textSchema(t testing.TB) *store.Schema {
	return compile(t, store.Naming{}, store.Table{Name: "note", Fields: []*store.Field{
		{Name: "text", Type: store.String}, {Name: "words", Type: store.Strings},
	}})
}

// textIsData stores the text and asks for it in every way there is.
func textIsData(t *testing.T, s *bunstore.Store, schema *store.Schema, text, part string) {
	t.Helper()
	notes := schema.Table("note")
	if _, err := s.Delete(t.Context(), notes, store.All()); err != nil {
		t.Fatal(err)
	}
	got, err := s.Create(t.Context(), notes, store.Record{"id": "1", "text": text, "words": []string{text, part}})
	if bad(text) || bad(part) {
		if !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%q and %q: got error %v", text, part, err)
		}
		return
	}
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	if words, _ := got["words"].([]string); got["text"] != text || len(words) != 2 || words[0] != text || words[1] != part {
		t.Errorf("%q was returned as %q", text, got)
	}
	lowText, lowPart := lower(text), lower(part)
	for name, c := range map[string]struct {
		w    store.Where
		want bool
	}{
		"Eq":             {store.Eq("text", text), true},
		"Eq part":        {store.Eq("text", part), text == part},
		"Ne part":        {store.Ne("text", part), text != part},
		"In":             {store.In("text", part, "other", text), true},
		"In part":        {store.In("text", part, "other"), text == part || text == "other"},
		"NotIn part":     {store.NotIn("text", part, "other"), text != part && text != "other"},
		"Lt":             {store.Lt("text", part), text < part},
		"Gte":            {store.Gte("text", part), text >= part},
		"Contains":       {store.Contains("text", part), strings.Contains(text, part)},
		"HasPrefix":      {store.HasPrefix("text", part), strings.HasPrefix(text, part)},
		"HasSuffix":      {store.HasSuffix("text", part), strings.HasSuffix(text, part)},
		"Eq fold":        {store.Eq("text", part).Fold(), lowText == lowPart},
		"In fold":        {store.In("text", part).Fold(), lowText == lowPart},
		"Contains fold":  {store.Contains("text", part).Fold(), strings.Contains(lowText, lowPart)},
		"HasPrefix fold": {store.HasPrefix("text", part).Fold(), strings.HasPrefix(lowText, lowPart)},
		"HasSuffix fold": {store.HasSuffix("text", part).Fold(), strings.HasSuffix(lowText, lowPart)},
	} {
		n, err := s.Count(t.Context(), notes, c.w)
		if err != nil || (n == 1) != c.want {
			t.Errorf("%s: %.80q against %.80q matches %d (%v), want %v", name, text, part, n, err, c.want)
		}
	}
}

func bad(s string) bool { return strings.Contains(s, "\x00") || !utf8.ValidString(s) }

// lower folds ASCII only.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
