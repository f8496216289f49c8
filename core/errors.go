package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ostiary/ostiary/internal/password"
	"github.com/ostiary/ostiary/secondary"
	"github.com/ostiary/ostiary/store"
)

// Error is an answer that refuses: what an endpoint, a hook or a guard returns
// and what the client gets as {"code": …, "message": …}.
//
// Compare with errors.Is against the Err values of this package; two errors
// are the same when status and code are. The cause, if any, is for logs and is
// never sent.
type Error struct {
	// Status is the HTTP status, 400 to 599.
	Status int
	// Code is a constant that programs switch on, such as "INVALID_TOKEN".
	Code string
	// Message is the text for people.
	Message string
	// RetryAfter, when positive, is sent as the Retry-After header, in whole
	// seconds rounded up.
	RetryAfter time.Duration

	cause error
}

func (e *Error) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%s: %v", e.Message, e.cause)
	}
	return e.Message
}

// Is reports whether target is an Error with the same status and code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Status == e.Status && t.Code == e.Code
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// Because returns a copy of e that remembers why, for logs.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// MarshalJSON writes the body a client gets.
func (e *Error) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}{e.Code, e.Message})
}

// The errors of the core endpoints and guards.
var (
	ErrUnauthorized      = newError(http.StatusUnauthorized, "UNAUTHORIZED", "Unauthorized")
	ErrSessionNotFresh   = newError(http.StatusForbidden, "SESSION_NOT_FRESH", "Session is not fresh")
	ErrUnavailable       = &Error{Status: http.StatusServiceUnavailable, Code: "SERVICE_UNAVAILABLE", Message: "Service temporarily unavailable. Please try again later.", RetryAfter: time.Second}
	ErrTooManyRequests   = newError(http.StatusTooManyRequests, "TOO_MANY_REQUESTS", "Too many requests. Please try again later.")
	ErrInternal          = newError(http.StatusInternalServerError, "INTERNAL_SERVER_ERROR", "Internal Server Error")
	ErrNotFound          = newError(http.StatusNotFound, "NOT_FOUND", "Not found")
	ErrValidation        = newError(http.StatusBadRequest, "VALIDATION_ERROR", "Validation Error")
	ErrBadRequest        = newError(http.StatusBadRequest, "BAD_REQUEST", "Bad request")
	ErrBodyTooLarge      = newError(http.StatusRequestEntityTooLarge, "PAYLOAD_TOO_LARGE", "Request body is too large")
	ErrHeadersTooLarge   = newError(http.StatusRequestHeaderFieldsTooLarge, "REQUEST_HEADER_FIELDS_TOO_LARGE", "Request headers are too large")
	ErrMethodNotAllowed  = newError(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED_DEFER_SESSION_REQUIRED", "POST method requires deferSessionRefresh to be enabled in session config")
	ErrMediaType         = newError(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "Content-Type is not allowed")
	ErrMissingOrigin     = newError(http.StatusForbidden, "MISSING_OR_NULL_ORIGIN", "Missing or null Origin")
	ErrInvalidOrigin     = newError(http.StatusForbidden, "INVALID_ORIGIN", "Invalid origin")
	ErrCrossSiteLogin    = newError(http.StatusForbidden, "CROSS_SITE_NAVIGATION_LOGIN_BLOCKED", "Cross-site navigation login blocked. This request appears to be a CSRF attack.")
	ErrFieldNotAllowed   = newError(http.StatusBadRequest, "FIELD_NOT_ALLOWED", "Field is not allowed to be set")
	ErrMissingField      = newError(http.StatusBadRequest, "MISSING_FIELD", "Field is required")
	ErrNoFieldsToUpdate  = newError(http.StatusBadRequest, "NO_FIELDS_TO_UPDATE", "No fields to update")
	ErrPasswordDisabled  = newError(http.StatusBadRequest, "EMAIL_PASSWORD_DISABLED", "Email and password is not enabled")
	ErrSignUpDisabled    = newError(http.StatusBadRequest, "EMAIL_PASSWORD_SIGN_UP_DISABLED", "Email and password sign up is not enabled")
	ErrInvalidEmail      = newError(http.StatusBadRequest, "INVALID_EMAIL", "Invalid email")
	ErrPasswordTooShort  = newError(http.StatusBadRequest, "PASSWORD_TOO_SHORT", "Password too short")
	ErrPasswordTooLong   = newError(http.StatusBadRequest, "PASSWORD_TOO_LONG", "Password too long")
	ErrInvalidPassword   = newError(http.StatusBadRequest, "INVALID_PASSWORD", "Invalid password")
	ErrWrongCredentials  = newError(http.StatusUnauthorized, "INVALID_EMAIL_OR_PASSWORD", "Invalid email or password")
	ErrEmailNotVerified  = newError(http.StatusForbidden, "EMAIL_NOT_VERIFIED", "Email not verified")
	ErrUserExists        = newError(http.StatusUnprocessableEntity, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL", "User already exists. Use another email.")
	ErrCreateUser        = newError(http.StatusUnprocessableEntity, "FAILED_TO_CREATE_USER", "Failed to create user")
	ErrCreateSession     = newError(http.StatusUnauthorized, "FAILED_TO_CREATE_SESSION", "Failed to create session")
	ErrUpdateUser        = newError(http.StatusUnprocessableEntity, "FAILED_TO_UPDATE_USER", "Failed to update user")
	ErrNoCredential      = newError(http.StatusBadRequest, "CREDENTIAL_ACCOUNT_NOT_FOUND", "Credential account not found")
	ErrEmailNotUpdatable = newError(http.StatusBadRequest, "EMAIL_CAN_NOT_BE_UPDATED", "Email can not be updated")
)

func newError(status int, code, message string) *Error {
	return &Error{Status: status, Code: code, Message: message}
}

// withStatus returns a copy of e with another status: the wire protocol has
// some codes under several.
func (e *Error) withStatus(status int) *Error {
	c := *e
	c.Status = status
	return &c
}

// withMessage returns a copy of e with another text.
func (e *Error) withMessage(format string, args ...any) *Error {
	c := *e
	c.Message = fmt.Sprintf(format, args...)
	return &c
}

// AsError turns any error into the [Error] to answer with: itself if it is
// one; [ErrUnavailable] where storage, a full hash queue or the request's time
// budget is behind it, since "we cannot tell" must never read as "no"; and
// [ErrInternal] otherwise.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	for _, transient := range []error{
		store.ErrUnavailable, store.ErrConflict, secondary.ErrUnavailable,
		password.ErrBusy, context.DeadlineExceeded, context.Canceled,
	} {
		if errors.Is(err, transient) {
			return ErrUnavailable.Because(err)
		}
	}
	return ErrInternal.Because(err)
}
