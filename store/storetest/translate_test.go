package storetest

import (
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/store"
)

func TestTranslatedIDsAreOfTheirKindInTheSameOrder(t *testing.T) {
	t.Parallel()
	texts := []string{" ", "-", "0", "00", "01", "1", "10", "2", "=A", "=é", "=😀", "counter", "p1u2", "u1", "u10", "u2", "z", "zzzzzzz"}
	for _, ids := range []store.IDs{store.UUIDv4(), store.SerialIDs()} {
		schema, err := store.NewSchema(store.Naming{}, ids, store.Table{Name: "thing"})
		if err != nil {
			t.Fatal(err)
		}
		things := schema.Table("thing")
		var made []string
		for _, text := range texts {
			canonical, err := things.Canonical(idsIn(things, store.Record{"id": text}))
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			id := canonical.String("id")
			if got := idsOut(things, store.Query{}, canonical)["id"]; got != text {
				t.Errorf("%q came back from %s as %q", text, id, got)
			}
			if ids.Kind() == store.SerialID {
				id = strings.Repeat("0", 20-len(id)) + id
			}
			made = append(made, id)
		}
		if !slices.IsSorted(made) {
			t.Errorf("%s: the order is another: %q", ids.Kind(), made)
		}
	}
}

func TestWhatIsNoShortTextIsNotTranslated(t *testing.T) {
	t.Parallel()
	for _, kind := range []store.IDKind{store.TextID, store.UUIDID, store.SerialID} {
		for _, v := range []any{nil, 7, "", strings.Repeat("x", 17)} {
			if got := idIn(kind, v); got != v {
				t.Errorf("%s: %v became %v", kind, v, got)
			}
		}
	}
}
