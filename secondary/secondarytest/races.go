package secondarytest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ostiary/ostiary/secondary"
)

// together runs n calls of f at the same time and waits for all of them.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

func (s *suite) parallelTakes() {
	for round := range 20 {
		key := fmt.Sprintf("key %d", round)
		s.mustSet(key, []byte("value"), time.Hour)
		var winners atomic.Int32
		together(12, func(int) {
			got, err := s.Storage.Take(s.ctx, key)
			switch {
			case err == nil && string(got) == "value":
				winners.Add(1)
			case !errors.Is(err, secondary.ErrNotFound):
				s.Errorf("Take = %q, %v; want the value or ErrNotFound", got, err)
			}
		})
		if n := winners.Load(); n != 1 {
			s.Fatalf("%d callers took the same value, want 1", n)
		}
	}
}

func (s *suite) parallelIncrements() {
	const rounds, callers = 8, 200
	for round := range rounds {
		key := fmt.Sprintf("number %d", round)
		sums := make([]int64, callers)
		together(callers, func(i int) {
			n, err := s.Storage.Increment(s.ctx, key, time.Hour)
			if err != nil {
				s.Error(err)
			}
			sums[i] = n
			if s.TTL == nil {
				return
			}
			if left := s.TTL(s.T, key); left <= 0 {
				s.Errorf("a number has %s to live, want more than 0", left)
			}
		})
		slices.Sort(sums)
		for i, sum := range sums {
			if sum != int64(i+1) {
				s.Fatalf("the sums are not 1 to %d, each once: %v", callers, sums)
			}
		}
	}
}

// setIfExistsNeverRevives lets writers refresh a key while it is deleted. A
// storage that looks first and writes then is caught either by a write that
// began after Delete had returned and yet took place, or by a key that is
// there in the end.
func (s *suite) setIfExistsNeverRevives() {
	const rounds, writers, after = 10, 64, 3
	for round := range rounds {
		key := fmt.Sprintf("session %d", round)
		s.mustSet(key, []byte("first"), time.Hour)

		var deleted atomic.Bool
		var running, wg sync.WaitGroup
		running.Add(writers)
		for range writers {
			wg.Go(func() {
				write := func() {
					late := deleted.Load()
					ok, err := s.Storage.SetIfExists(s.ctx, key, []byte("refreshed"), time.Hour)
					if err != nil {
						s.Error(err)
					}
					if ok && late {
						s.Error("SetIfExists wrote after Delete had returned")
					}
				}
				write()
				running.Done()
				for !deleted.Load() {
					write()
				}
				for range after {
					write()
				}
			})
		}
		running.Wait()
		err := s.Storage.Delete(s.ctx, key)
		deleted.Store(true)
		wg.Wait()
		s.must(err)
		s.wantAbsent(key)
	}
}

func (s *suite) parallelMembers() {
	const callers, each = 32, 6
	until := s.Now().Add(time.Hour)
	s.mustAdd("set", "there before", until)
	together(callers, func(i int) {
		for j := range each {
			if err := s.Storage.AddMember(s.ctx, "set", fmt.Sprintf("%d of %d", j, i), until); err != nil {
				s.Error(err)
			}
			if j%2 == 0 {
				continue
			}
			if err := s.Storage.RemoveMember(s.ctx, "set", fmt.Sprintf("%d of %d", j-1, i)); err != nil {
				s.Error(err)
			}
		}
		if err := s.Storage.AddMember(s.ctx, "set", "shared", until); err != nil {
			s.Error(err)
		}
	})

	want := []string{"there before", "shared"}
	for i := range callers {
		for j := 1; j < each; j += 2 {
			want = append(want, fmt.Sprintf("%d of %d", j, i))
		}
	}
	got, err := s.Storage.Members(s.ctx, "set")
	s.must(err)
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		s.Errorf("after parallel changes the set has %d members, want %d: %q", len(got), len(want), got)
	}
}

func (s *suite) valuesAreNeverTorn() {
	const size = 32 << 10
	value := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i)}, size) }
	s.mustSet("key", value(0), time.Hour)
	together(8, func(i int) {
		for range 20 {
			if i%2 == 0 {
				if err := s.Storage.Set(s.ctx, "key", value(i), time.Hour); err != nil {
					s.Error(err)
				}
				continue
			}
			got, err := s.Storage.Get(s.ctx, "key")
			if err != nil || len(got) != size || bytes.Count(got, got[:1]) != size {
				s.Errorf("Get beside writers = %d bytes, %v; want one value whole", len(got), err)
			}
		}
	})
}
