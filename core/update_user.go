package core

import (
	"context"
	"errors"
	"net/http"

	"github.com/ostiary/ostiary/internal/input"
	"github.com/ostiary/ostiary/store"
)

// UpdateUserInput is what POST /update-user takes.
type UpdateUserInput struct {
	Name  *string          `json:"name" max:"255"`
	Image Nullable[string] `json:"image" max:"2048"`
	// Email is refused: changing it takes more than a request.
	Email any `json:"email"`
	// Fields are values of additional fields of the user.
	Fields map[string]any `json:",unknown"`
}

var updateUser = &Endpoint[UpdateUserInput, Status]{
	Method: http.MethodPost, Path: "/update-user", Guard: NeedsSession,
	Do: doUpdateUser,
}

// UpdateUser changes name, image or additional fields of the request's user.
func (a *Auth) UpdateUser(ctx context.Context, in UpdateUserInput) (*Reply[Status], error) {
	return updateUser.Call(ctx, a, in)
}

func doUpdateUser(ctx context.Context, r *Request, in UpdateUserInput) (Status, error) {
	a := r.auth
	if input.IsTruthy(in.Email) {
		return Status{}, ErrEmailNotUpdatable
	}
	fields, err := inputFields(a.Users().table(), in.Fields, false)
	if err != nil {
		return Status{}, err
	}
	change := UserChange{Name: in.Name, Fields: fields}
	if in.Image.Set {
		var image *string
		if !in.Image.Null {
			image = &in.Image.Value
		}
		change.Image = &image
	}
	if change.Name == nil && change.Image == nil && len(fields) == 0 {
		return Status{}, ErrNoFieldsToUpdate
	}
	id, err := a.Authenticate(ctx)
	if err != nil {
		return Status{}, err
	}
	user, err := a.Users().Update(ctx, id.User.ID, change)
	switch {
	case errors.Is(err, store.ErrNotFound): // deleted since
		return Status{}, ErrUnauthorized
	case errors.Is(err, store.ErrDuplicate), errors.Is(err, store.ErrReference), errors.Is(err, ErrAborted):
		return Status{}, ErrUpdateUser.Because(err)
	case err != nil:
		return Status{}, err
	}
	r.become(&Identity{User: user, Session: id.Session})
	a.cookies.reissue(r, id.Session.Token, a.cfg.Session.ExpiresIn)
	return Status{true}, nil
}
