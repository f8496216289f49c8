package bunstore_test

import (
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/store"
)

// A full disk is a storage that does not answer writes; what is there stays
// whole and readable.
func TestAFullDiskIsUnavailableAndStaysReadable(t *testing.T) {
	t.Parallel()
	s, schema := open(t, "sqlite:"+filepath.Join(t.TempDir(), "full.db")), authSchema(t)
	if err := s.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	s.DB().SetMaxOpenConns(1) // the pragma is the connection's
	if _, err := s.DB().DB.ExecContext(t.Context(), "PRAGMA max_page_count = 60"); err != nil {
		t.Fatal(err)
	}
	users, kept := schema.Table("user"), 0
	var err error
	for i := range 1000 {
		_, err = s.Create(t.Context(), users, store.Record{
			"id": strconv.Itoa(i), "email": strconv.Itoa(i) + strings.Repeat("x", 2000), "emailVerified": false, "createdAt": time.Unix(0, 0),
		})
		if err != nil {
			break
		}
		kept++
	}
	if !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("after %d rows: error %v, want ErrUnavailable", kept, err)
	}
	if n, err := s.Count(t.Context(), users, store.Where{}); err != nil || n != int64(kept) {
		t.Errorf("%d rows (%v), want %d", n, err, kept)
	}
	var verdict string
	if err := s.DB().DB.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity: %s (%v)", verdict, err)
	}
}
