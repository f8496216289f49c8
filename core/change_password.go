package core

import (
	"context"
	"errors"
	"net/http"
)

// ChangePasswordInput is what POST /change-password takes.
type ChangePasswordInput struct {
	NewPassword         string `json:"newPassword"`
	CurrentPassword     string `json:"currentPassword"`
	RevokeOtherSessions *bool  `json:"revokeOtherSessions"`
}

// ChangePasswordOutput is what it answers.
type ChangePasswordOutput struct {
	// Token is that of the new session, nil where the old ones were kept.
	Token *string `json:"token"`
	User  *User   `json:"user"`
}

var changePassword = &Endpoint[ChangePasswordInput, *ChangePasswordOutput]{
	Method: http.MethodPost, Path: "/change-password", Guard: NeedsSession,
	Do: doChangePassword,
}

// ChangePassword gives the request's user a new password. With
// RevokeOtherSessions every session of the user ends and a new one is issued.
func (a *Auth) ChangePassword(ctx context.Context, in ChangePasswordInput) (*Reply[*ChangePasswordOutput], error) {
	return changePassword.Call(ctx, a, in)
}

func doChangePassword(ctx context.Context, r *Request, in ChangePasswordInput) (*ChangePasswordOutput, error) {
	a := r.auth
	id, err := a.Authenticate(ctx)
	if err != nil {
		return nil, err
	}
	if err := a.checkLength(in.NewPassword); err != nil {
		return nil, err
	}
	if err := a.tooLong(in.CurrentPassword); err != nil {
		return nil, err
	}
	account, err := a.credentialOf(ctx, id.User.ID)
	if err != nil {
		return nil, err
	}
	if account == nil || account.Password == "" {
		return nil, ErrNoCredential
	}
	ok, _, err := a.hasher.Verify(ctx, account.Password, in.CurrentPassword)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, ErrInvalidPassword
	}
	hash, err := a.hasher.Hash(ctx, in.NewPassword)
	if err != nil {
		return nil, err
	}
	out := &ChangePasswordOutput{User: id.User}
	revoke := in.RevokeOtherSessions != nil && *in.RevokeOtherSessions
	err = a.db.Tx(ctx, func(ctx context.Context) error {
		// Of two changes at once, each with the same current password, one wins.
		replaced, err := a.Accounts().replacePassword(ctx, account, hash)
		if err != nil {
			return err
		}
		if !replaced {
			return ErrUnavailable.Because(errors.New("the password was changed meanwhile"))
		}
		if !revoke {
			return nil
		}
		return a.sessions.RevokeAll(ctx, id.User.ID, nil)
	})
	if err != nil {
		return nil, err
	}
	if !revoke {
		return out, nil
	}
	// Once more, for a sign-in with the old password that was under way: from
	// the commit on it finds out by itself.
	if err := a.sessions.RevokeAll(ctx, id.User.ID, nil); err != nil {
		return nil, err
	}
	issued, err := a.sessions.Issue(ctx, r, id.User, !a.cookies.dontRememberSet(r.header))
	if err != nil {
		return nil, err
	}
	out.Token = &issued.Session.Token
	return out, nil
}
