package redisstorage

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/redis/go-redis/v9"

	"github.com/ostiary/ostiary/secondary"
)

// maxDetached bounds the goroutines that wait for a client which does not
// honour contexts. It is far more than a pool has connections.
const maxDetached = 512

// Reasons of an [Error] that are not error codes of Redis itself.
const (
	// ReasonTimeout: no answer in time.
	ReasonTimeout = "timeout"
	// ReasonConnection: no connection, or one that broke.
	ReasonConnection = "connection"
	// ReasonSuspended: not sent, because Redis has not answered lately.
	ReasonSuspended = "suspended"
	// ReasonClosed: the storage or its client is closed.
	ReasonClosed = "closed"
	// ReasonReply: an answer that makes no sense.
	ReasonReply = "reply"
)

// Error tells why Redis gave no usable answer. It matches
// [secondary.ErrUnavailable], and holds neither keys nor values.
type Error struct {
	// Op is what was asked: "get", "hit".
	Op string
	// Reason is one of the Reason constants, or the code of the error that
	// Redis answered with: "READONLY", "LOADING", "OOM", "NOAUTH",
	// "WRONGTYPE", "CLUSTERDOWN", and "ERR" for all that have none. It has few
	// values, fit for a metric's label.
	Reason string
	// Detail is more for a log; it may be empty.
	Detail string
}

func (e *Error) Error() string {
	msg := fmt.Sprintf("redis: %s: %v: %s", e.Op, secondary.ErrUnavailable, e.Reason)
	if e.Detail != "" {
		msg += ": " + e.Detail
	}
	return msg
}

// Is makes errors.Is(err, secondary.ErrUnavailable) true. There is no Unwrap:
// a timeout of the connection is a context.DeadlineExceeded to errors.Is, and
// the caller's deadline has not passed.
func (e *Error) Is(target error) bool { return target == secondary.ErrUnavailable }

// request is what a call sends.
type request interface {
	send(context.Context, redis.UniversalClient) error
}

// query is a request of one command that changes nothing.
type query struct{ redis.Cmder }

func (q *query) send(ctx context.Context, client redis.UniversalClient) error {
	return client.Process(ctx, q.Cmder)
}

// change is a request of one command that changes something. The client does
// not send it again when it cannot know whether the first had an effect.
type change struct{ redis.Cmder }

// NoRetry is part of [redis.Cmder].
func (*change) NoRetry() bool { return true }

func (c *change) send(ctx context.Context, client redis.UniversalClient) error {
	return client.Process(ctx, c)
}

// changes is a request of several commands in one trip, wherever their keys
// live.
type changes []*change

func (cs changes) send(ctx context.Context, client redis.UniversalClient) error {
	pipe := client.Pipeline()
	for _, c := range cs {
		if err := pipe.Process(ctx, c); err != nil {
			return err
		}
	}
	_, err := pipe.Exec(ctx)
	return err
}

// run sends the request, unless there is no point in it.
func (s *Storage) run(ctx context.Context, op string, r request) error {
	if err := s.ready(ctx, op); err != nil {
		return err
	}
	if !s.breaker.allow(time.Now()) {
		return &Error{Op: op, Reason: ReasonSuspended}
	}
	return s.attempt(ctx, op, r)
}

func (s *Storage) ready(ctx context.Context, op string) error {
	if err := contextError(ctx, op); err != nil {
		return err
	}
	if s.closed.Load() {
		return &Error{Op: op, Reason: ReasonClosed}
	}
	return nil
}

// attempt sends the request and waits for its answer, within the budget.
func (s *Storage) attempt(parent context.Context, op string, r request) error {
	start := time.Now()
	ctx := s.budgets.begin(parent, start)
	var err error
	if s.slots == nil {
		err = r.send(ctx, s.client)
	} else {
		err = s.detach(parent, ctx, r)
	}
	if err == nil {
		s.breaker.answered()
		return nil
	}
	var reply redis.Error
	if errors.As(err, &reply) {
		s.breaker.answered()
		return replyError(op, reply)
	}

	now := time.Now()
	callerGone := contextError(parent, op)
	// A caller that gave up, or had no time to begin with, says nothing about
	// Redis.
	waited := errors.Is(callerGone, context.DeadlineExceeded) && now.Sub(start) >= s.budgets.length/3
	if callerGone == nil || waited {
		s.breaker.unanswered(now)
	}
	if callerGone != nil {
		return callerGone
	}
	return s.noReply(op, err)
}

// detach sends the request from a goroutine of its own, so that its caller can
// go when a context is done, whatever the client does.
func (s *Storage) detach(parent, ctx context.Context, r request) error {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-parent.Done():
		return parent.Err()
	}
	done := make(chan error, 1)
	go func() {
		defer func() { <-s.slots }()
		done <- r.send(ctx, s.client)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-parent.Done():
		return parent.Err()
	}
}

// contextError is the error of a context that is done. Its deadline counts as
// passed even if its timer is late, since the connection has the same deadline
// and may notice first.
func contextError(ctx context.Context, op string) error {
	err := ctx.Err()
	if deadline, ok := ctx.Deadline(); err == nil && ok && !time.Now().Before(deadline) {
		err = context.DeadlineExceeded
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("redis: %s: %w", op, err)
}

// replyError is the error for an answer that says no. Only its code is kept:
// what follows may quote the command.
func replyError(op string, reply redis.Error) error {
	if errors.Is(reply, redis.Nil) {
		return fmt.Errorf("redis: %s: %w", op, secondary.ErrNotFound)
	}
	text := reply.Error()
	if strings.Contains(text, "is not an integer") || strings.Contains(text, "would overflow") {
		return fmt.Errorf("redis: %s what is no number: %w", op, secondary.ErrInvalid)
	}
	code, rest, _ := strings.Cut(text, " ")
	if code == "" || strings.ContainsFunc(code, func(r rune) bool { return !unicode.IsUpper(r) }) {
		code = "ERR"
	}
	e := &Error{Op: op, Reason: code}
	if strings.HasPrefix(rest, "unknown command") {
		e.Detail = "unknown command: Redis 6.2 or later is needed"
	}
	return e
}

// noReply is the error for a call without an answer. Of the client's errors
// only those about connections are repeated: one about a reply quotes it.
func (s *Storage) noReply(op string, err error) error {
	e := &Error{Op: op, Reason: ReasonReply, Detail: fmt.Sprintf("%T", err)}
	var network *net.OpError
	switch {
	case errors.Is(err, redis.ErrClosed):
		e.Reason, e.Detail = ReasonClosed, "the client is closed"
	case errors.Is(err, redis.ErrPoolTimeout):
		e.Reason, e.Detail = ReasonTimeout, "no free connection"
	case errors.As(err, &network):
		e.Reason, e.Detail = ReasonConnection, err.Error()
		if network.Timeout() {
			e.Reason = ReasonTimeout
		}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, os.ErrDeadlineExceeded):
		e.Reason, e.Detail = ReasonTimeout, "after "+s.budgets.length.String()
	case isConnectionError(err):
		e.Reason, e.Detail = ReasonConnection, err.Error()
	}
	return e
}

func isConnectionError(err error) bool {
	var network net.Error
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var errno syscall.Errno
	return err.Error() == "redis: cluster has no nodes" || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.As(err, &network) || errors.As(err, &errno) || errors.As(err, &certificate) || errors.As(err, &record)
}
