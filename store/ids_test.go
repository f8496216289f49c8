package store_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/ostiary/ostiary/store"
)

const aUUID = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"

func withIDs(t *testing.T, ids store.IDs) *store.Schema {
	t.Helper()
	s, err := store.NewSchema(store.Naming{}, ids,
		store.Table{Name: "user", Fields: []*store.Field{{Name: "email", Type: store.String, Unique: true}}},
		store.Table{Name: "session", Fields: []*store.Field{
			{Name: "userId", Type: store.String, Unique: true, References: &store.Reference{Table: "user"}},
			{Name: "email", Type: store.String, References: &store.Reference{Table: "user", Field: "email", As: "owner"}},
		}},
		store.Table{Name: "device", Fields: []*store.Field{
			{Name: "sessionUserId", Type: store.String, References: &store.Reference{Table: "session", Field: "userId", As: "session"}},
		}},
	)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFieldsThatReferToAnIDAreOfItsKind(t *testing.T) {
	t.Parallel()
	for ids, want := range map[*store.IDs]store.IDKind{
		{}:                         store.TextID,
		ptr(store.RandomIDs()):     store.TextID,
		ptr(store.IDFunc(nil)):     store.TextID,
		ptr(store.UUIDv4()):        store.UUIDID,
		ptr(store.UUIDv7()):        store.UUIDID,
		ptr(store.SerialIDs()):     store.SerialID,
		ptr(store.DatabaseUUIDs()): store.UUIDID,
	} {
		s := withIDs(t, *ids)
		for _, f := range []*store.Field{
			s.Table("user").Field("id"), s.Table("session").Field("id"), s.Table("session").Field("userId"), s.Table("device").Field("sessionUserId"),
		} {
			if f.IDKind() != want {
				t.Errorf("%s is of kind %s, want %s", f.Name, f.IDKind(), want)
			}
		}
		if kind := s.Table("session").Field("email").IDKind(); kind != 0 {
			t.Errorf("a reference to an e-mail is of kind %s", kind)
		}
	}
}

func ptr[T any](v T) *T { return &v }

func TestIDsOfOtherKindsAreRefusedWhenWritten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ids       store.IDs
		good, bad []string
	}{
		{store.RandomIDs(), []string{"x", "", "ä", "0"}, []string{"a\x00b", "\xff"}},
		{store.UUIDv4(), []string{aUUID}, []string{"", "x", aUUID + "0", "{" + aUUID + "}", "urn:uuid:" + aUUID, strings.ReplaceAll(aUUID, "-", ""), "\x00" + aUUID[1:]}},
		{store.SerialIDs(), []string{"1", "42", "9223372036854775807"}, []string{"", "0", "01", "+1", "-1", " 1", "1 ", "1.0", "1e3", "9223372036854775808", "x", "1_0"}},
	} {
		user := withIDs(t, c.ids).Table("user")
		for _, id := range c.good {
			if r, err := user.Canonical(store.Record{"id": id}); err != nil || r["id"] != id {
				t.Errorf("%s %q: got %v, %v", c.ids.Kind(), id, r["id"], err)
			}
		}
		for _, id := range c.bad {
			if r, err := user.Canonical(store.Record{"id": id}); !errors.Is(err, store.ErrInvalid) {
				t.Errorf("%s %q: got %v, %v; want ErrInvalid", c.ids.Kind(), id, r["id"], err)
			}
		}
	}
}

func TestAUUIDIsKeptInLowerCase(t *testing.T) {
	t.Parallel()
	user := withIDs(t, store.UUIDv4()).Table("user")
	upper := strings.ToUpper(aUUID)
	if r, err := user.Canonical(store.Record{"id": upper}); err != nil || r["id"] != aUUID {
		t.Errorf("got %v, %v", r["id"], err)
	}
	if w, err := user.CanonicalWhere(store.Eq("id", upper)); err != nil || w.Value != aUUID {
		t.Errorf("got %v, %v", w.Value, err)
	}
}

func TestTextThatIsNoIDIsEqualToNone(t *testing.T) {
	t.Parallel()
	for _, ids := range []store.IDs{store.UUIDv4(), store.SerialIDs()} {
		session := withIDs(t, ids).Table("session")
		for _, field := range []string{"id", "userId"} {
			for op, w := range map[string]store.Where{
				"Eq": store.Eq(field, "x"), "Lt": store.Lt(field, "x"), "Lte": store.Lte(field, "x"), "Gt": store.Gt(field, "x"), "Gte": store.Gte(field, "x"), "Fold": store.Eq(field, "x").Fold(),
			} {
				if got, err := session.CanonicalWhere(w); err != nil || got.Op != store.OpOr || len(got.Of) != 0 {
					t.Errorf("%s %s %s: got %+v, %v; want the condition that nothing meets", ids.Kind(), field, op, got, err)
				}
			}
			if got, err := session.CanonicalWhere(store.Ne(field, "x")); err != nil || got.Op != store.OpAll {
				t.Errorf("Ne: got %+v, %v; want the condition that everything meets", got, err)
			}
			good := map[store.IDKind]string{store.UUIDID: aUUID, store.SerialID: "7"}[ids.Kind()]
			for _, w := range []store.Where{store.In(field, "x", good, "y"), store.NotIn(field, "x", good, "y")} {
				got, err := session.CanonicalWhere(w)
				if err != nil || got.Op != w.Op || !slices.Equal(got.Values, []any{good}) {
					t.Errorf("In: got %+v, %v", got, err)
				}
			}
			if got, err := session.CanonicalWhere(store.Eq(field, nil)); err != nil || got.Op != store.OpEq || got.Value != nil {
				t.Errorf("Eq null: got %+v, %v", got, err)
			}
			if got, err := session.CanonicalWhere(store.HasPrefix(field, "x")); err != nil || got.Value != "x" {
				t.Errorf("HasPrefix: got %+v, %v", got, err)
			}
		}
	}
}

func TestPoliciesMakeIDsOfTheirKind(t *testing.T) {
	t.Parallel()
	for _, ids := range []store.IDs{store.RandomIDs(), store.UUIDv4(), store.UUIDv7(), store.DatabaseUUIDs(), store.SerialIDs()} {
		user := withIDs(t, ids).Table("user")
		seen := map[string]bool{}
		for range 100 {
			id, err := ids.New(rand.Reader, "user")
			if err != nil || seen[id] {
				t.Fatalf("%s: %q again, or %v", ids.Kind(), id, err)
			}
			seen[id] = true
			if r, err := user.Canonical(store.Record{"id": id}); err != nil || r["id"] != id {
				t.Errorf("%s: %q is not canonical: %v, %v", ids.Kind(), id, r["id"], err)
			}
		}
		if id, err := ids.New(iotest.ErrReader(io.ErrClosedPipe), "user"); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: without randomness got %q, %v", ids.Kind(), id, err)
		}
	}
}

func TestAFunctionForIDsIsToldTheTableAndMustNotReturnNothing(t *testing.T) {
	t.Parallel()
	own := store.IDFunc(func(table string) (string, error) {
		switch table {
		case "user":
			return "u", nil
		case "session":
			return "", nil
		case "team":
			return strings.Repeat("x", 65), nil
		}
		return "", fmt.Errorf("no id: %w", io.ErrNoProgress)
	})
	if id, err := own.New(rand.Reader, "user"); id != "u" || err != nil {
		t.Errorf("got %q, %v", id, err)
	}
	if id, err := own.New(rand.Reader, "session"); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("an empty id: got %q, %v", id, err)
	}
	if id, err := own.New(rand.Reader, "team"); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("an id that is too long: got %q, %v", id, err)
	}
	if id, err := own.New(rand.Reader, "device"); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a failing function: got %q, %v", id, err)
	}
}

func TestAFieldOfOneSchemaCanBeDeclaredInAnother(t *testing.T) {
	t.Parallel()
	serial := withIDs(t, store.SerialIDs())
	again, err := store.NewSchema(store.Naming{}, store.UUIDv4(), store.Table{Name: "user"}, store.Table{
		Name: "device", Fields: []*store.Field{{Name: "userId", Type: store.String, References: &store.Reference{Table: "user"}}},
	}, store.Table{Name: "session", Fields: []*store.Field{serial.Table("session").Field("userId")}})
	if err != nil {
		t.Fatal(err)
	}
	if kind := again.Table("session").Field("userId").IDKind(); kind != store.UUIDID {
		t.Errorf("the reference is of kind %s", kind)
	}
}
