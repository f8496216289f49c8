package bunstore_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	mssqldriver "github.com/microsoft/go-mssqldb"

	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
)

// onSQLServer is a store of SQL Server that nothing answers.
func onSQLServer(t *testing.T) *bunstore.Store {
	t.Helper()
	return open(t, "sqlserver://nobody:nothing@localhost?database=none")
}

func TestSQLServerErrorsBecomeThoseOfTheStore(t *testing.T) {
	t.Parallel()
	s := onSQLServer(t)
	for _, c := range []struct {
		numbers []int32
		message string
		want    error
	}{
		{[]int32{2601, 2627}, "", store.ErrDuplicate},
		{[]int32{547}, `The INSERT statement conflicted with the FOREIGN KEY constraint "fk".`, store.ErrReference},
		{[]int32{547}, `The DELETE statement conflicted with the REFERENCE constraint "fk".`, store.ErrReference},
		{[]int32{547}, `The INSERT statement conflicted with the CHECK constraint "ck".`, store.ErrInvalid},
		{[]int32{1205, 3960}, "", store.ErrConflict},
		{[]int32{207, 208, 220, 241, 242, 245, 515, 8115, 8152, 2628, 511, 1946, 8003}, "", store.ErrInvalid},
		{[]int32{233, 596, 701, 1105, 1222, 4060, 9002, 10054, 10928, 18456, 3906, 40197, 40501, 40613}, "", store.ErrUnavailable},
	} {
		for _, n := range c.numbers {
			got := bunstore.Failure(t.Context(), s, authSchema(t).Table("user"), fmt.Errorf("exec: %w", mssqldriver.Error{Number: n, Message: c.message}))
			if !errors.Is(got, c.want) {
				t.Errorf("%d became %v, want %v", n, got, c.want)
			}
		}
	}
}

func TestSQLServerDuplicateNamesFields(t *testing.T) {
	t.Parallel()
	s, table := onSQLServer(t), accountTable(t)
	for _, c := range []struct {
		number  int32
		message string
		want    []string
	}{
		{2601, "Cannot insert duplicate key row in object 'dbo.accounts' with unique index 'accounts_email_uidx'. The duplicate key value is ('x').", []string{"email"}},
		{2601, "Cannot insert duplicate key row in object 'dbo.accounts' with unique index 'accounts_provider_id_account_id_uidx'. The duplicate key value is (a, b).", []string{"providerId", "accountId"}},
		{2627, "Violation of PRIMARY KEY constraint 'accounts_pkey'. Cannot insert duplicate key in object 'dbo.accounts'. The duplicate key value is (x).", []string{"id"}},
		{2627, "Violation of UNIQUE KEY constraint 'accounts_email_key'. Cannot insert duplicate key in object 'dbo.accounts'. The duplicate key value is (x).", []string{"email"}},
		{2627, "Violation of UNIQUE KEY constraint 'UQ__accounts__AB6E6164'. Cannot insert duplicate key in object 'dbo.accounts'.", nil},
		{2601, "nothing to read", nil},
	} {
		var got *store.DuplicateError
		if err := bunstore.Failure(t.Context(), s, table, mssqldriver.Error{Number: c.number, Message: c.message}); !errors.As(err, &got) {
			t.Errorf("%s became %v", c.message, err)
			continue
		}
		if !reflect.DeepEqual(got.Fields, c.want) {
			t.Errorf("%s: got the fields %q, want %q", c.message, got.Fields, c.want)
		}
	}
}
