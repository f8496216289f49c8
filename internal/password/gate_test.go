package password_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/internal/password"
)

// turnstile is a source of salts that holds whoever computes a hash until it
// is let go, and then fails, so that nothing is really computed.
type turnstile struct {
	leave       chan struct{}
	inside, max atomic.Int64
}

var errTurnstile = errors.New("turnstile")

func newTurnstile() *turnstile { return &turnstile{leave: make(chan struct{})} }

func (s *turnstile) Read([]byte) (int, error) {
	n := s.inside.Add(1)
	defer s.inside.Add(-1)
	for m := s.max.Load(); n > m && !s.max.CompareAndSwap(m, n); {
		m = s.max.Load()
	}
	<-s.leave
	return 0, errTurnstile
}

// inBubble runs the test with a clock of its own and a Hasher whose hashes
// all end at the turnstile.
func inBubble(t *testing.T, c password.Config, test func(t *testing.T, h *password.Hasher, s *turnstile)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTurnstile()
		c.Rand = s
		test(t, newHasher(t, c), s)
	})
}

// wantStats waits until nothing moves any more.
func wantStats(t *testing.T, h *password.Hasher, running, waiting int, total uint64) {
	t.Helper()
	synctest.Wait()
	if got, want := h.Stats(), (password.Stats{Running: running, Waiting: waiting, Total: total}); got != want {
		t.Errorf("Stats = %+v, want %+v", got, want)
	}
}

// hash hashes in the background and tells the error.
func hash(ctx context.Context, h *password.Hasher) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := h.Hash(ctx, horse)
		done <- err
	}()
	return done
}

func TestGateNeverLetsMoreThroughThanItsSize(t *testing.T) {
	const callers, size = 200, 3
	inBubble(t, password.Config{Concurrency: size, Queue: callers}, func(t *testing.T, h *password.Hasher, s *turnstile) {
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				if err := <-hash(t.Context(), h); !errors.Is(err, errTurnstile) {
					t.Error(err)
				}
			})
		}
		for through := range callers {
			inside := min(size, callers-through)
			wantStats(t, h, inside, callers-through-inside, uint64(through+inside))
			s.leave <- struct{}{}
		}
		wg.Wait()
		wantStats(t, h, 0, 0, callers)
		if s.max.Load() != size {
			t.Errorf("%d at once, want %d", s.max.Load(), size)
		}
	})
}

func TestGateServesInOrderOfArrival(t *testing.T) {
	const callers = 20
	inBubble(t, password.Config{Concurrency: 1, Queue: callers}, func(t *testing.T, h *password.Hasher, s *turnstile) {
		var order []int
		var want []int
		finished := make(chan int)
		for i := range callers {
			want = append(want, i)
			go func() {
				if err := <-hash(t.Context(), h); !errors.Is(err, errTurnstile) {
					t.Error(err)
				}
				finished <- i
			}()
			synctest.Wait()
		}
		for range callers {
			s.leave <- struct{}{}
			order = append(order, <-finished)
		}
		if !slices.Equal(order, want) {
			t.Errorf("order %v", order)
		}
	})
}

func TestFullQueueIsRefusedAtOnce(t *testing.T) {
	inBubble(t, password.Config{Concurrency: 2, Queue: 3}, func(t *testing.T, h *password.Hasher, s *turnstile) {
		var admitted []<-chan error
		for range 5 {
			admitted = append(admitted, hash(t.Context(), h))
		}
		wantStats(t, h, 2, 3, 2)
		start := time.Now()
		for range 10 {
			if _, err := h.Hash(t.Context(), horse); !errors.Is(err, password.ErrBusy) {
				t.Errorf("Hash: %v", err)
			}
			if ok, _, err := h.Verify(t.Context(), horse2id, horse); ok || !errors.Is(err, password.ErrBusy) {
				t.Errorf("Verify: %v, %v", ok, err)
			}
			if ok, _, err := h.Verify(t.Context(), "nonsense", horse); ok || !errors.Is(err, password.ErrBusy) {
				t.Errorf("Verify of nonsense: %v, %v", ok, err)
			}
			if err := h.VerifyNothing(t.Context(), horse); !errors.Is(err, password.ErrBusy) {
				t.Errorf("VerifyNothing: %v", err)
			}
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("refused after %v", waited)
		}
		wantStats(t, h, 2, 3, 2)
		close(s.leave)
		for _, done := range admitted {
			if err := <-done; !errors.Is(err, errTurnstile) {
				t.Error(err)
			}
		}
		wantStats(t, h, 0, 0, 5)
	})
}

func TestQueueHoldsEightTimesTheConcurrencyByDefault(t *testing.T) {
	inBubble(t, password.Config{Concurrency: 2}, func(t *testing.T, h *password.Hasher, s *turnstile) {
		for range 30 {
			hash(t.Context(), h)
		}
		wantStats(t, h, 2, 16, 2)
		close(s.leave)
	})
}

func TestLongWaitIsRefused(t *testing.T) {
	for _, c := range []struct{ configured, want time.Duration }{
		{0, 2 * time.Second},
		{300 * time.Millisecond, 300 * time.Millisecond},
	} {
		t.Run(fmt.Sprint(c.configured), func(t *testing.T) {
			inBubble(t, password.Config{Concurrency: 1, MaxWait: c.configured}, func(t *testing.T, h *password.Hasher, s *turnstile) {
				holder := hash(t.Context(), h)
				synctest.Wait()
				start := time.Now()
				if _, err := h.Hash(t.Context(), horse); !errors.Is(err, password.ErrBusy) {
					t.Error(err)
				}
				if waited := time.Since(start); waited != c.want {
					t.Errorf("refused after %v, want %v", waited, c.want)
				}
				wantStats(t, h, 1, 0, 1)
				close(s.leave)
				if err := <-holder; !errors.Is(err, errTurnstile) {
					t.Error(err)
				}
				wantStats(t, h, 0, 0, 1)
			})
		})
	}
}

func TestNothingIsComputedForACallerWhoHasGone(t *testing.T) {
	inBubble(t, password.Config{Concurrency: 1, Queue: 100}, func(t *testing.T, h *password.Hasher, s *turnstile) {
		gone, leave := context.WithCancel(t.Context())
		leave()
		if _, err := h.Hash(gone, horse); !errors.Is(err, context.Canceled) {
			t.Errorf("gone before an open gate: %v", err)
		}
		wantStats(t, h, 0, 0, 0)

		holder := hash(t.Context(), h)
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		var leaving []<-chan error
		for range 50 {
			leaving = append(leaving, hash(ctx, h))
		}
		synctest.Wait()
		staying := hash(t.Context(), h)
		wantStats(t, h, 1, 51, 1)
		cancel()
		wantStats(t, h, 1, 1, 1)
		for _, done := range leaving {
			if err := <-done; !errors.Is(err, context.Canceled) || errors.Is(err, password.ErrBusy) {
				t.Error(err)
			}
		}

		deadline, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := <-hash(deadline, h); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, password.ErrBusy) {
			t.Error(err)
		}
		close(s.leave)
		for _, done := range []<-chan error{holder, staying} {
			if err := <-done; !errors.Is(err, errTurnstile) {
				t.Error(err)
			}
		}
		wantStats(t, h, 0, 0, 2)
	})
}

func TestPlaceBelongsToTheWorkNotToTheCaller(t *testing.T) {
	inBubble(t, password.Config{Concurrency: 1}, func(t *testing.T, h *password.Hasher, s *turnstile) {
		ctx, cancel := context.WithCancel(t.Context())
		working := hash(ctx, h)
		synctest.Wait()
		cancel()
		waiting := hash(t.Context(), h)
		wantStats(t, h, 1, 1, 1)
		s.leave <- struct{}{}
		if err := <-working; !errors.Is(err, errTurnstile) {
			t.Errorf("begun work ended with %v", err)
		}
		s.leave <- struct{}{}
		if err := <-waiting; !errors.Is(err, errTurnstile) {
			t.Error(err)
		}
		wantStats(t, h, 0, 0, 2)
	})
}

func TestHashOfMoreMemoryTakesMorePlaces(t *testing.T) {
	for _, c := range []struct {
		memory     string // KiB
		size, free int    // free is how many light hashes can run beside it
	}{
		{"19456", 4, 3},
		{"65536", 4, 3},
		{"65537", 4, 2},
		{"131072", 2, 0},
		{"131073", 4, 1},
		{"131073", 2, 0}, // It would take three.
	} {
		t.Run(c.memory, func(t *testing.T) {
			inBubble(t, password.Config{Concurrency: c.size}, func(t *testing.T, h *password.Hasher, s *turnstile) {
				heavy := strings.Replace(horse2id, "m=19456,t=2", "m="+c.memory+",t=1", 1)
				var light uint64
				for range c.free {
					hash(t.Context(), h)
					light++
				}
				wantStats(t, h, c.free, 0, light)
				if _, _, err := h.Verify(t.Context(), heavy, horse); err != nil {
					t.Errorf("beside %d others: %v", c.free, err)
				}
				wantStats(t, h, c.free, 0, light+1)

				// With one more it waits, and those behind it do not overtake.
				hash(t.Context(), h)
				synctest.Wait()
				ctx, cancel := context.WithCancel(t.Context())
				waiting := make(chan error, 1)
				go func() {
					_, _, err := h.Verify(ctx, heavy, horse)
					waiting <- err
				}()
				synctest.Wait()
				last := hash(t.Context(), h)
				wantStats(t, h, c.free+1, 2, light+2)
				cancel()
				if err := <-waiting; !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				close(s.leave)
				if err := <-last; !errors.Is(err, errTurnstile) {
					t.Error(err)
				}
				wantStats(t, h, 0, 0, light+3)
			})
		})
	}
}

// panicking panics once, as a user's source of randomness might.
type panicking struct{ done atomic.Bool }

func (p *panicking) Read([]byte) (int, error) {
	if p.done.Swap(true) {
		return 0, errTurnstile
	}
	panic("no randomness")
}

func TestPanicGivesThePlaceBack(t *testing.T) {
	t.Parallel()
	h := newHasher(t, password.Config{Concurrency: 1, Rand: &panicking{}})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic did not reach the caller")
			}
		}()
		_, _ = h.Hash(t.Context(), horse)
	}()
	if _, err := h.Hash(t.Context(), horse); !errors.Is(err, errTurnstile) {
		t.Error(err)
	}
	if s := h.Stats(); s.Running != 0 || s.Waiting != 0 {
		t.Errorf("Stats = %+v", s)
	}
}

// Real hashes, callers who leave at any moment, and a queue that overflows:
// whatever happens, an answer is right or an error, and the gate ends empty.
func TestManyCallers(t *testing.T) {
	t.Parallel()
	h := newHasher(t, password.Config{Concurrency: 2, Queue: 30, MaxWait: time.Minute})
	var computed, busy, gone atomic.Uint64
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if i%3 == 0 {
				go cancel()
			}
			ok, _, err := h.Verify(ctx, horse2id, horse)
			switch {
			case ok && err == nil:
				computed.Add(1)
			case errors.Is(err, password.ErrBusy):
				busy.Add(1)
			case i%3 == 0 && errors.Is(err, context.Canceled):
				gone.Add(1)
			default:
				t.Errorf("Verify = %v, %v", ok, err)
			}
		})
	}
	wg.Wait()
	t.Logf("%d computed, %d refused, %d gone", computed.Load(), busy.Load(), gone.Load())
	if got, want := h.Stats(), (password.Stats{Total: computed.Load()}); got != want {
		t.Errorf("Stats = %+v, want %+v", got, want)
	}
}
