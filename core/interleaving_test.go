package core_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/secondary"
	"github.com/ostiary/ostiary/store"
	"github.com/ostiary/ostiary/store/memory"
)

// hookedStore runs functions around calls.
type hookedStore struct {
	store.Store
	afterFindAccount func()
	update           func(t *store.Table) error
	ping             func(ctx context.Context) error
	findSession      atomic.Int64
	inTx             atomic.Int64
}

func (s *hookedStore) FindOne(ctx context.Context, t *store.Table, q store.Query) (store.Record, error) {
	if t.Name == core.TableSession {
		s.findSession.Add(1)
	}
	row, err := s.Store.FindOne(ctx, t, q)
	if t.Name == core.TableAccount && s.afterFindAccount != nil {
		s.afterFindAccount()
	}
	return row, err
}

func (s *hookedStore) Add(ctx context.Context, t *store.Table, w store.Where, delta map[string]int64, set store.Record) (store.Record, error) {
	if s.update != nil {
		if err := s.update(t); err != nil {
			return nil, err
		}
	}
	return s.Store.Add(ctx, t, w, delta, set)
}

func (s *hookedStore) Tx(ctx context.Context, fn func(context.Context) error) error {
	s.inTx.Add(1)
	defer s.inTx.Add(-1)
	return s.Store.Tx(ctx, fn)
}

func (s *hookedStore) Ping(ctx context.Context) error {
	if s.ping != nil {
		return s.ping(ctx)
	}
	return s.Store.Ping(ctx)
}

// hookedKV runs functions around calls.
type hookedKV struct {
	secondary.Storage
	afterGet       func(key string)
	beforeSet      func(key string)
	beforeAdd      func(ctx context.Context, key string) error
	beforeDelete   func(ctx context.Context)
	beforeSetIf    func(key string)
	loseSetIf      bool // the write happens, its answer is lost
	calls          func(op string)
	members, reads atomic.Int64
}

func (s *hookedKV) Get(ctx context.Context, key string) ([]byte, error) {
	s.reads.Add(1)
	if s.calls != nil {
		s.calls("get")
	}
	v, err := s.Storage.Get(ctx, key)
	if s.afterGet != nil {
		s.afterGet(key)
	}
	return v, err
}

func (s *hookedKV) Members(ctx context.Context, key string) ([]string, error) {
	s.members.Add(1)
	if s.calls != nil {
		s.calls("members")
	}
	return s.Storage.Members(ctx, key)
}

func (s *hookedKV) Set(ctx context.Context, key string, v []byte, ttl time.Duration) error {
	if s.beforeSet != nil {
		s.beforeSet(key)
	}
	return s.Storage.Set(ctx, key, v, ttl)
}

func (s *hookedKV) SetIfExists(ctx context.Context, key string, v []byte, ttl time.Duration) (bool, error) {
	if s.beforeSetIf != nil {
		s.beforeSetIf(key)
	}
	ok, err := s.Storage.SetIfExists(ctx, key, v, ttl)
	if s.loseSetIf && err == nil {
		return false, secondary.ErrUnavailable
	}
	return ok, err
}

func (s *hookedKV) AddMember(ctx context.Context, key, member string, until time.Time) error {
	if s.beforeAdd != nil {
		if err := s.beforeAdd(ctx, key); err != nil {
			return err
		}
	}
	return s.Storage.AddMember(ctx, key, member, until)
}

func (s *hookedKV) Delete(ctx context.Context, keys ...string) error {
	if s.beforeDelete != nil {
		s.beforeDelete(ctx)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.Storage.Delete(ctx, keys...)
}

func withKV(t testing.TB, kv *hookedKV) func(*core.Config) {
	return func(c *core.Config) {
		withSecondary(t)(c)
		kv.Storage = c.Secondary
		c.Secondary = kv
	}
}

func once(fn func()) func() {
	var done atomic.Bool
	return func() {
		if done.CompareAndSwap(false, true) {
			fn()
		}
	}
}

func alive(a *app, t *testing.T, cookie string) bool {
	b := a.browser(t)
	b.SetCookie(sessionCookie, cookie)
	return b.Get("/api/auth/get-session").Want(200).Body != "null"
}

func TestASignInWithTheOldPasswordDoesNotOutliveItsChange(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		s := &hookedStore{Store: memory.New()}
		a := newApp(t, home, func(c *core.Config) { c.Store = s; c.EmailPassword.HashConcurrency = 4 })
		owner := a.signUp(t, "a@b.com")
		s.afterFindAccount = once(func() {
			owner.Post("/api/auth/change-password", m{"newPassword": "new password", "currentPassword": "password789", "revokeOtherSessions": true}).Want(200)
		})
		thief := a.browser(t)
		res := thief.Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "password789"})
		if c := thief.Cookie(sessionCookie); c != "" && alive(a, t, c) {
			t.Errorf("old password: status %d, session alive after the change had revoked everything", res.Status)
		}
	})
}

func TestARefreshDoesNotUndoAChangeOfTheUser(t *testing.T) {
	t.Parallel()
	kv := &hookedKV{}
	a := newApp(t, withKV(t, kv))
	b := a.signUp(t, "a@b.com")
	id := b.Get("/api/auth/get-session").Text("user", "id")
	a.clock.Advance(25 * time.Hour)
	kv.beforeSetIf = func() func(string) {
		f := once(func() {
			name := "New"
			if _, err := a.Users().Update(t.Context(), id, core.UserChange{Name: &name}); err != nil {
				t.Error(err)
			}
		})
		return func(string) { f() }
	}()
	b.Get("/api/auth/get-session").Want(200)
	if got := b.Get("/api/auth/get-session").Text("user", "name"); got != "New" {
		t.Errorf("user in the session is %q for the session's whole remaining life", got)
	}
}

func TestASessionIssuedDuringRevokeAllIsListed(t *testing.T) {
	t.Parallel()
	kv := &hookedKV{}
	a := newApp(t, withKV(t, kv))
	owner := a.signUp(t, "a@b.com")
	id := owner.Get("/api/auth/get-session").Text("user", "id")
	f := once(func() {
		if err := a.Sessions().RevokeAll(t.Context(), id, nil); err != nil {
			t.Error(err)
		}
	})
	kv.beforeSet = func(string) { f() }
	thief := a.signIn(t, "a@b.com")
	list, _ := a.Sessions().List(t.Context(), id)
	if err := a.Sessions().RevokeAll(t.Context(), id, nil); err != nil { // a second time, nothing in flight
		t.Fatal(err)
	}
	if len(list) == 0 && alive(a, t, thief.Cookie(sessionCookie)) {
		t.Error("a session is alive, in no list, and RevokeAll cannot end it")
	}
}

func TestASessionWhoseExtensionIsUnknownStaysRevocable(t *testing.T) {
	t.Parallel()
	kv := &hookedKV{}
	a := newApp(t, withKV(t, kv))
	b := a.signUp(t, "a@b.com")
	id := b.Get("/api/auth/get-session").Text("user", "id")
	a.clock.Advance(25 * time.Hour)
	kv.loseSetIf = true
	b.Get("/api/auth/get-session").Want(200)
	kv.loseSetIf = false
	if err := a.Sessions().RevokeAll(t.Context(), id, nil); err != nil {
		t.Fatal(err)
	}
	if alive(a, t, b.Cookie(sessionCookie)) {
		t.Error("RevokeAll returned nil, the session is alive")
	}
}

func TestASignInDuringDeletionLeavesNoSession(t *testing.T) {
	t.Parallel()
	kv := &hookedKV{}
	s := &hookedStore{Store: memory.New()}
	a := newApp(t, withKV(t, kv), func(c *core.Config) { c.Store = s })
	owner := a.signUp(t, "a@b.com")
	id := owner.Get("/api/auth/get-session").Text("user", "id")
	s.afterFindAccount = once(func() {
		if err := a.Users().Delete(t.Context(), id); err != nil {
			t.Error(err)
		}
	})
	b := a.browser(t)
	res := b.Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "password789"})
	if c := b.Cookie(sessionCookie); c != "" && alive(a, t, c) {
		t.Errorf("status %d; a session of a user who does not exist", res.Status)
	}
}

func TestWorkAfterTheCommitOutlivesTheClient(t *testing.T) {
	t.Parallel()
	kv := &hookedKV{}
	a := newApp(t, withKV(t, kv))
	owner := a.signUp(t, "a@b.com")
	other := a.signIn(t, "a@b.com")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	kv.beforeDelete = func(context.Context) { cancel() }
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r.WithContext(ctx)) })
	res := browserOf(t, h, owner).Post("/api/auth/change-password", m{"newPassword": "new password", "currentPassword": "password789", "revokeOtherSessions": true})
	kv.beforeDelete = nil
	changed := a.browser(t).Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "new password"}).Status == 200
	if changed && alive(a, t, other.Cookie(sessionCookie)) {
		t.Errorf("status %d: the password is changed, the other session lives on", res.Status)
	}
}

func TestAnExtendedSessionStaysRevocable(t *testing.T) {
	t.Parallel()
	kv := &hookedKV{}
	a := newApp(t, withKV(t, kv))
	b := a.signUp(t, "a@b.com")
	id := b.Get("/api/auth/get-session").Text("user", "id")
	cookie := b.Cookie(sessionCookie)
	a.clock.Advance(6*24*time.Hour + 23*time.Hour)
	kv.beforeAdd = func(context.Context, string) error { return secondary.ErrUnavailable }
	b.Get("/api/auth/get-session")
	kv.beforeAdd = nil
	a.clock.Advance(2 * time.Hour)
	if err := a.Sessions().RevokeAll(t.Context(), id, nil); err != nil {
		t.Fatal(err)
	}
	if alive(a, t, cookie) {
		t.Error("RevokeAll returned nil, the session is alive")
	}
}

func TestUnrememberedSessionsAreNotExtendedWithoutTheirMark(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.signUp(t, "a@b.com")
	b := a.browser(t)
	b.Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "password789", "rememberMe": false}).Want(200)
	thief := browserOf(t, a.handler, b) // only the session cookie
	before := a.clock.Now()
	at, err := time.Parse(time.RFC3339, thief.Get("/api/auth/get-session").Text("session", "expiresAt"))
	if err != nil || at.Sub(before) > 24*time.Hour {
		t.Errorf("a session of one day now lives %v", at.Sub(before))
	}
}

func TestShortSessions(t *testing.T) {
	t.Parallel()
	newApp(t, func(c *core.Config) { c.Session = core.SessionConfig{ExpiresIn: time.Hour} }) // UpdateAge follows
	a := newApp(t, func(c *core.Config) { c.Session = core.SessionConfig{ExpiresIn: time.Hour, UpdateAge: time.Minute} })
	b := a.signUp(t, "a@b.com")
	b.Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "password789", "rememberMe": false}).Want(200)
	a.clock.Advance(20 * time.Hour)
	if b.Get("/api/auth/get-session").Body != "null" {
		t.Error("ExpiresIn is an hour; who asked not to be remembered is signed in after twenty")
	}
}

func TestAReadOnlyDatabaseKeepsSessions(t *testing.T) {
	t.Parallel()
	s := &hookedStore{Store: memory.New()}
	a := newApp(t, func(c *core.Config) { c.Store = s })
	b := a.signUp(t, "a@b.com")
	a.clock.Advance(25 * time.Hour)
	s.update = func(*store.Table) error { return store.ErrUnavailable }
	if res := b.Get("/api/auth/get-session"); res.Status != 200 {
		t.Errorf("a session that was read and is valid is answered %d", res.Status)
	}
}

func TestASecondOneTimeValueReplacesTheFirst(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		a := newApp(t, home)
		for _, v := range []string{"old", "new"} {
			if err := a.Verifications().Create(t.Context(), "id", v, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		got, _ := a.Verifications().Take(t.Context(), "id")
		again, err := a.Verifications().Take(t.Context(), "id")
		if got != "new" || !errors.Is(err, store.ErrNotFound) {
			t.Errorf("took %q, then %q (%v)", got, again, err)
		}
	})
}

func TestAnAddedFieldSignsNobodyOut(t *testing.T) {
	t.Parallel()
	st := memory.New()
	var kv secondary.Storage
	old := newApp(t, withSecondary(t), func(c *core.Config) { c.Store, kv = st, c.Secondary })
	b := old.signUp(t, "a@b.com")
	next := newApp(t, func(c *core.Config) {
		c.Store, c.Secondary = st, kv
		c.UserFields = []*store.Field{{Name: "tier", Type: store.String, Required: true, Default: "free", Returned: true}}
	})
	res := browserOf(t, next.handler, b).Get("/api/auth/get-session").Want(200)
	if res.Body == "null" {
		t.Errorf("signed out by a new field with a default; cookies %q", res.SetCookies())
	}
}

func TestReadyNamesWhatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	s := &hookedStore{Store: memory.New(), ping: func(ctx context.Context) error { <-ctx.Done(); return store.ErrUnavailable }}
	a := newApp(t, withSecondary(t), func(c *core.Config) { c.Store, c.StoreTimeout = s, 20*time.Millisecond })
	if err := a.Ready(t.Context()); err == nil || strings.Contains(err.Error(), "secondary") {
		t.Errorf("only the store hangs: %v", err)
	}
}

func TestWorkOfAnEndedTransactionIsDoneAtOnce(t *testing.T) {
	t.Parallel()
	a := newApp(t, withSecondary(t))
	b := a.signUp(t, "a@b.com")
	id := b.Get("/api/auth/get-session").Text("user", "id")
	var leaked context.Context
	_ = a.Database().Tx(t.Context(), func(ctx context.Context) error { leaked = ctx; return nil })
	err := a.Sessions().RevokeAll(leaked, id, nil)
	if err == nil && alive(a, t, b.Cookie(sessionCookie)) {
		t.Error("RevokeAll returned nil and has done nothing")
	}
}

func TestSecondaryStorageIsNotCalledInsideTransactions(t *testing.T) {
	t.Parallel()
	kv, s := &hookedKV{}, &hookedStore{Store: memory.New()}
	a := newApp(t, withKV(t, kv), func(c *core.Config) { c.Store = s })
	b := a.signUp(t, "a@b.com")
	for range 9 {
		a.signIn(t, "a@b.com")
	}
	inside := map[string]int{}
	kv.calls = func(op string) {
		if s.inTx.Load() > 0 {
			inside[op]++
		}
	}
	b.Post("/api/auth/change-password", m{"newPassword": "new password", "currentPassword": "password789", "revokeOtherSessions": true}).Want(200)
	if len(inside) > 0 {
		t.Errorf("calls of secondary storage inside the database transaction: %v", inside)
	}
}

type conflictStore struct {
	store.Store
	left atomic.Int64
}

func (s *conflictStore) Tx(ctx context.Context, fn func(context.Context) error) error {
	if s.left.Add(-1) >= 0 {
		return store.ErrConflict
	}
	return s.Store.Tx(ctx, fn)
}

func TestATransactionThatLostIsRunAgain(t *testing.T) {
	t.Parallel()
	s := &conflictStore{Store: memory.New()}
	a := newApp(t, func(c *core.Config) { c.Store = s })
	s.left.Store(1)
	if res := a.browser(t).Post("/api/auth/sign-up/email", m{"name": "x", "email": "a@b.com", "password": "password789"}); res.Status != 200 {
		t.Errorf("one serialization failure: %d", res.Status)
	}
}
