package conformance_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
)

// signUps are sign-ups at a server that may go away, with what it answered.
type signUps struct {
	mu       sync.Mutex
	statuses map[string]int // by e-mail; 0 without an answer
	answered chan struct{}  // one for each answer
}

// run signs up one user after the other until the server has gone.
func (s *signUps) run(address, prefix string) {
	for i := 0; ; i++ {
		email := fmt.Sprintf("%s-%d@b.com", prefix, i)
		status := post(address, "sign-up/email", email)
		s.mu.Lock()
		s.statuses[email] = status
		s.mu.Unlock()
		if status == 0 {
			return
		}
		s.answered <- struct{}{}
	}
}

// post sends name, e-mail and password and returns the status, 0 if there is no
// answer.
func post(address, path, email string) int {
	body, _ := json.Marshal(m{"name": "x", "email": email, "password": "password789"})
	res, err := http.Post(address+"/api/auth/"+path, "application/json", bytes.NewReader(body))
	if err != nil {
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// A process that is killed in the middle of many sign-ups leaves no half user,
// and nobody who was told that the sign-up has worked is forgotten.
func TestAProcessThatIsKilledLeavesNoHalfUser(t *testing.T) {
	const rounds, callers = 4, 4
	for i, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			url := d.url(t)
			env := []string{"STORE=" + url, "ADAPTER=" + adapters()[i%2].name, "LOG_LEVEL=error"}
			auth := newAuth(t, config(open(t, url), nil))
			for round := range rounds {
				server := serve(t, env...)
				s := signUps{statuses: map[string]int{}, answered: make(chan struct{}, 10_000)}
				var all sync.WaitGroup
				for c := range callers {
					all.Go(func() { s.run(server.address, fmt.Sprintf("r%d-c%d", round, c)) })
				}
				// One has just been answered; the others are somewhere in between.
				for range 2*callers + round {
					<-s.answered
				}
				server.kill()
				all.Wait()
				wantWhole(t, auth, -1)
				for email, status := range s.statuses {
					_, err := auth.Users().ByEmail(t.Context(), email)
					if status == http.StatusOK && err != nil || status != http.StatusOK && status != 0 {
						t.Errorf("%s: status %d, then %v", email, status, err)
					}
				}
				next := serve(t, env...)
				for email, status := range s.statuses {
					if status == http.StatusOK && round > 0 {
						continue // one round of hashing is enough
					}
					again := post(next.address, "sign-up/email", email)
					if again == http.StatusUnprocessableEntity {
						again = post(next.address, "sign-in/email", email)
					}
					if again != http.StatusOK {
						t.Errorf("%s, answered %d, is neither free nor usable: %d", email, status, again)
					}
				}
				next.kill()
				wantWhole(t, auth, -1)
			}
		})
	}
}
