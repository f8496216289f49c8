package bunstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/uptrace/bun"
	bundialect "github.com/uptrace/bun/dialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"

	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
)

// bunError has the methods of the error of Bun's pgdriver.
type bunError map[byte]string

func (e bunError) Error() string       { return "pgdriver: " + e['M'] }
func (e bunError) Field(k byte) string { return e[k] }

// stateError is what most other drivers return at the least.
type stateError string

func (e stateError) Error() string    { return "state " + string(e) }
func (e stateError) SQLState() string { return string(e) }

// codeError has the method of modernc.org/sqlite's error.
type codeError int

func (e codeError) Error() string { return fmt.Sprintf("code %d", int(e)) }
func (e codeError) Code() int     { return int(e) }

func TestDriverErrorsBecomeThoseOfTheStore(t *testing.T) {
	t.Parallel()
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	postgres, sqlite := open(t, "postgres://localhost/none"), open(t, "sqlite::memory:")
	for _, c := range []struct {
		store *bunstore.Store
		err   error
		want  error
	}{
		{postgres, &pgconn.PgError{Code: "23503"}, store.ErrReference},
		{postgres, &pgconn.PgError{Code: "23001"}, store.ErrReference},
		{postgres, &pgconn.PgError{Code: "23502"}, store.ErrInvalid},
		{postgres, &pgconn.PgError{Code: "22003"}, store.ErrInvalid},
		{postgres, &pgconn.PgError{Code: "54000"}, store.ErrInvalid},
		{postgres, &pgconn.PgError{Code: "42P01"}, store.ErrInvalid},
		{postgres, &pgconn.PgError{Code: "40001"}, store.ErrConflict},
		{postgres, &pgconn.PgError{Code: "40P01"}, store.ErrConflict},
		{postgres, &pgconn.PgError{Code: "0A000", Routine: "RevalidateCachedQuery"}, store.ErrConflict},
		{postgres, bunError{'C': "0A000", 'R': "RevalidateCachedQuery"}, store.ErrConflict},
		{postgres, &pgconn.PgError{Code: "08006"}, store.ErrUnavailable},
		{postgres, &pgconn.PgError{Code: "25006"}, store.ErrUnavailable},
		{postgres, &pgconn.PgError{Code: "25P03"}, store.ErrUnavailable},
		{postgres, &pgconn.PgError{Code: "28P01"}, store.ErrUnavailable},
		{postgres, &pgconn.PgError{Code: "53300"}, store.ErrUnavailable},
		{postgres, &pgconn.PgError{Code: "55P03"}, store.ErrUnavailable},
		{postgres, &pgconn.PgError{Code: "57014"}, store.ErrUnavailable},
		{postgres, &pgconn.PgError{Code: "57P01"}, store.ErrUnavailable},
		{postgres, &pgconn.PgError{Code: "57P03"}, store.ErrUnavailable},
		{postgres, bunError{'C': "57P01"}, store.ErrUnavailable},
		{postgres, bunError{'C': "40P01"}, store.ErrConflict},
		{postgres, stateError("40001"), store.ErrConflict},
		{postgres, refused, store.ErrUnavailable},
		{postgres, fmt.Errorf("write: %w", syscall.EPIPE), store.ErrUnavailable},
		{postgres, io.EOF, store.ErrUnavailable},
		{postgres, io.ErrUnexpectedEOF, store.ErrUnavailable},
		{postgres, driver.ErrBadConn, store.ErrUnavailable},
		{postgres, context.DeadlineExceeded, store.ErrUnavailable}, // not the caller's
		{postgres, sql.ErrTxDone, store.ErrInvalid},
		{postgres, sql.ErrConnDone, store.ErrInvalid},
		{sqlite, codeError(5), store.ErrUnavailable},         // busy
		{sqlite, codeError(5 | 2<<8), store.ErrUnavailable},  // busy: snapshot
		{sqlite, codeError(6), store.ErrUnavailable},         // locked
		{sqlite, codeError(8), store.ErrUnavailable},         // read-only
		{sqlite, codeError(10 | 4<<8), store.ErrUnavailable}, // fsync
		{sqlite, codeError(11), store.ErrUnavailable},        // corrupt
		{sqlite, codeError(13), store.ErrUnavailable},        // full
		{sqlite, codeError(14), store.ErrUnavailable},        // cannot open
		{sqlite, codeError(18), store.ErrInvalid},            // too big
		{sqlite, errors.New("database is locked"), store.ErrUnavailable},
		{sqlite, errors.New("FOREIGN KEY constraint failed"), store.ErrReference},
		{sqlite, errors.New("NOT NULL constraint failed: users.email"), store.ErrInvalid},
		{sqlite, errors.New("no such table: users"), store.ErrInvalid},
	} {
		got := bunstore.Failure(t.Context(), c.store, nil, fmt.Errorf("exec: %w", c.err))
		if !errors.Is(got, c.want) {
			t.Errorf("%v became %v, want %v", c.err, got, c.want)
		}
		if errors.Is(got, context.DeadlineExceeded) {
			t.Errorf("%v looks like the caller's own time-out", got)
		}
		if errors.Is(got, store.ErrUnavailable) && !strings.Contains(got.Error(), c.err.Error()) {
			t.Errorf("%v does not say what the driver said: %v", got, c.err)
		}
	}
}

func accountTable(t testing.TB) *store.Table {
	return compile(t, store.Naming{}, store.Table{
		Name: "account",
		Fields: []*store.Field{
			{Name: "email", Type: store.String, Unique: true},
			{Name: "providerId", Type: store.String},
			{Name: "accountId", Type: store.String},
		},
		Indexes: []store.Index{{Fields: []string{"providerId", "accountId"}, Unique: true}},
	}).Table("account")
}

func TestDuplicateNamesFieldsAsEveryDriverSaysIt(t *testing.T) {
	t.Parallel()
	table := accountTable(t)
	postgres, sqlite := open(t, "postgres://localhost/none"), open(t, "sqlite::memory:")
	both := []string{"providerId", "accountId"}
	for _, c := range []struct {
		store *bunstore.Store
		err   error
		want  []string
	}{
		{postgres, &pgconn.PgError{Code: "23505", ConstraintName: "accounts_email_uidx"}, []string{"email"}},
		{postgres, &pgconn.PgError{Code: "23505", ConstraintName: "accounts_email_key"}, []string{"email"}},
		{postgres, &pgconn.PgError{Code: "23505", ConstraintName: "accounts_pkey"}, []string{"id"}},
		{postgres, &pgconn.PgError{Code: "23505", ConstraintName: "accounts_provider_id_account_id_uidx", Detail: "anything"}, both},
		{postgres, &pgconn.PgError{Code: "23505", ConstraintName: "theirs", Detail: "Key (provider_id, account_id)=(a, b) already exists."}, both},
		{postgres, &pgconn.PgError{Code: "23505", ConstraintName: "theirs", Detail: `Schlüssel »("email")=(x)=(y)« existiert bereits.`}, []string{"email"}},
		{postgres, &pgconn.PgError{Code: "23505", ConstraintName: "theirs", Detail: "Key (lower(email))=(x) already exists."}, nil},
		{postgres, &pgconn.PgError{Code: "23505", ConstraintName: "theirs"}, nil},
		{postgres, &pgconn.PgError{Code: "23505", Detail: "no key in it"}, nil},
		{postgres, bunError{'C': "23505", 'n': "accounts_email_uidx"}, []string{"email"}},
		{postgres, bunError{'C': "23505", 'D': "Key (email)=(x) already exists."}, []string{"email"}},
		{postgres, stateError("23505"), nil},
		{sqlite, errors.New("constraint failed: UNIQUE constraint failed: accounts.email (2067)"), []string{"email"}},
		{sqlite, errors.New("UNIQUE constraint failed: accounts.provider_id, accounts.account_id"), both},
		{sqlite, errors.New("constraint failed: UNIQUE constraint failed: index 'lowered' (2067)"), nil},
	} {
		var got *store.DuplicateError
		if err := bunstore.Failure(t.Context(), c.store, table, c.err); !errors.As(err, &got) {
			t.Errorf("%#v became %v", c.err, err)
			continue
		}
		if got.Table != "account" || !slices.Equal(got.Fields, c.want) || !strings.Contains(got.Error(), c.err.Error()) {
			t.Errorf("%#v became %+v, want the fields %v", c.err, got, c.want)
		}
	}
}

func TestCallersContextComesFirst(t *testing.T) {
	t.Parallel()
	s := open(t, "postgres://localhost/none")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range []error{&pgconn.PgError{Code: "57014"}, io.EOF, driver.ErrBadConn, context.DeadlineExceeded, errors.New("closed")} {
		if got := bunstore.Failure(ctx, s, nil, err); !errors.Is(got, context.Canceled) || errors.Is(got, store.ErrUnavailable) {
			t.Errorf("%v became %v", err, got)
		}
	}
	// What the database has said for certain is worth more.
	if got := bunstore.Failure(ctx, s, nil, &pgconn.PgError{Code: "40001"}); !errors.Is(got, store.ErrConflict) {
		t.Errorf("a conflict became %v", got)
	}
}

// otherDialect is one that the store does not know.
type otherDialect struct{ *sqlitedialect.Dialect }

func (otherDialect) Name() bundialect.Name { return bundialect.Oracle }

func TestUnknownDatabaseIsRefusedByEveryMethod(t *testing.T) {
	t.Parallel()
	db := bun.NewDB(open(t, "sqlite::memory:").DB().DB, otherDialect{sqlitedialect.New()})
	s := bunstore.New(db)
	for name, operation := range operations(s, authSchema(t)) {
		if err := operation(t.Context()); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}
