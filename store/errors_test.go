package store_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/ostiary/ostiary/store"
)

func TestDuplicateError(t *testing.T) {
	t.Parallel()
	driver := errors.New("code 23505")
	err := fmt.Errorf("create: %w", &store.DuplicateError{Table: "user", Fields: []string{"email", "name"}, Err: driver})
	if !errors.Is(err, store.ErrDuplicate) || !errors.Is(err, driver) || errors.Is(err, store.ErrReference) {
		t.Errorf("%v is not what it should be", err)
	}
	var dup *store.DuplicateError
	if !errors.As(err, &dup) || dup.Table != "user" {
		t.Errorf("%v holds no DuplicateError", err)
	}
	for want, err := range map[string]*store.DuplicateError{
		"user: duplicate value of email, name: code 23505": {Table: "user", Fields: []string{"email", "name"}, Err: driver},
		"user: duplicate value of email":                   {Table: "user", Fields: []string{"email"}},
		"user: duplicate value":                            {Table: "user"},
	} {
		if got := err.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if errors.Unwrap(&store.DuplicateError{}) != nil {
		t.Error("an error without a driver's wraps something")
	}
}
