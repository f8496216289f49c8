package core

import (
	"context"
	"errors"
	"log/slog"
	"unicode/utf8"

	"github.com/ostiary/ostiary/internal/input"
	"github.com/ostiary/ostiary/store"
)

// checkLength refuses a password that is too short or too long to be one.
func (a *Auth) checkLength(pw string) error {
	switch n := input.UTF16Len(pw); {
	case n < a.cfg.EmailPassword.MinLength:
		return ErrPasswordTooShort
	case n > a.cfg.EmailPassword.MaxLength:
		return ErrPasswordTooLong
	}
	return nil
}

// tooLong refuses a password that nobody can have, before it costs a hash.
func (a *Auth) tooLong(pw string) error {
	if input.UTF16Len(pw) > a.cfg.EmailPassword.MaxLength {
		return ErrPasswordTooLong
	}
	return nil
}

// HashPassword hashes a password as sign-up does, for imports and for tests.
// It waits for its turn; [ErrUnavailable] when that takes too long.
func (a *Auth) HashPassword(ctx context.Context, pw string) (string, error) {
	hash, err := a.hasher.Hash(ctx, pw)
	if err != nil {
		return "", AsError(err)
	}
	return hash, nil
}

// verifyPassword reports whether the password is the account's. A hash of an
// older kind is replaced by one of today's. account may be nil: that takes as
// long and is never true.
func (a *Auth) verifyPassword(ctx context.Context, account *Account, pw string) (bool, error) {
	if account == nil || account.Password == "" {
		return false, a.hasher.VerifyNothing(ctx, pw)
	}
	ok, rehash, err := a.hasher.Verify(ctx, account.Password, pw)
	if err != nil || !ok {
		return false, err
	}
	if rehash {
		a.upgradePassword(ctx, account, pw)
	}
	return true, nil
}

// confirmPassword looks, after a session was issued, whether the password that
// opened it is still the account's. Who changes it ends all sessions
// afterwards: so no session of the old one is left, whichever was first.
func (a *Auth) confirmPassword(ctx context.Context, verified *Account) error {
	now, err := a.credentialOf(ctx, verified.UserID)
	if err != nil {
		return err
	}
	if now == nil || now.Password != verified.Password {
		return ErrWrongCredentials
	}
	return nil
}

// upgradePassword replaces the hash that was verified. The sign-in goes on
// whether that succeeds or not.
func (a *Auth) upgradePassword(ctx context.Context, account *Account, pw string) {
	hash, err := a.hasher.Hash(ctx, pw)
	if err == nil {
		var replaced bool
		if replaced, err = a.Accounts().replacePassword(ctx, account, hash); replaced {
			account.Password = hash
		}
	}
	if err != nil {
		a.log.WarnContext(ctx, "password hash was not upgraded", slog.String("account", account.ID), slog.Any("error", err))
	}
}

// credentialOf returns the user's password account, nil when there is none.
func (a *Auth) credentialOf(ctx context.Context, userID string) (*Account, error) {
	account, err := a.Accounts().Credential(ctx, userID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return account, err
}

// cleanText drops what is no text from a header that is kept.
func cleanText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	out := make([]rune, 0, len(s))
	for _, r := range s {
		if r != utf8.RuneError {
			out = append(out, r)
		}
	}
	return string(out)
}
