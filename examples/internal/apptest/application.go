package apptest

import (
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/internal/browser"
)

const password = "correct horse"

// Application uses the example as it is started with nothing installed.
func Application(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	p := start(t, folder)
	b := p.browser()

	if csp := b.Get("/").Want(http.StatusOK).Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("Content-Security-Policy of the page: %q", csp)
	}
	b.Get("/assets/app.js").Want(http.StatusOK)
	wantHello(t, b, "Hello, stranger")
	for _, path := range []string{"/api/me", "/api/export"} {
		b.Get(path).WantCode(http.StatusUnauthorized, "UNAUTHORIZED")
	}
	b.Post("/api/dice", nil).WantCode(http.StatusUnauthorized, "UNAUTHORIZED")

	signUp(b)
	if email := b.Get("/api/me").Want(http.StatusOK).Text("email"); email != "al@example.com" {
		t.Errorf("/api/me answers for %q", email)
	}
	wantHello(t, b, "Hello, Al")
	export(t, b)
	rollDice(t, p, b)

	b.Post("/api/auth/sign-out", nil).Want(http.StatusOK)
	b.Get("/api/me").WantCode(http.StatusUnauthorized, "UNAUTHORIZED")

	p.stop()
	// The journal beside it would say that the database was not closed.
	wantFiles(t, folder, "ostiary-example.db")
	p = start(t, folder)
	b = p.browser()
	b.Post("/api/auth/sign-in/email", map[string]any{"email": "al@example.com", "password": password}).Want(http.StatusOK)
	b.Get("/api/me").Want(http.StatusOK)
	p.stop()
}

// Services uses the example on a PostgreSQL database and a Redis server, where
// users stay signed in while it is started again.
func Services(t *testing.T, postgresURL, redisURL string) {
	t.Parallel()
	folder := t.TempDir()
	env := []string{
		"DATABASE_URL=" + postgresURL, "REDIS_URL=" + redisURL,
		"AUTH_SECRET=not-a-secret-but-long-enough-to-be-one",
	}
	p := start(t, folder, env...)
	b := p.browser()
	signUp(b)
	rollDice(t, p, b)
	cookie := b.Cookie("better-auth.session_token")
	p.stop()

	p = start(t, folder, env...)
	b = p.browser()
	b.SetCookie("better-auth.session_token", cookie)
	b.Get("/api/me").Want(http.StatusOK)
	b.Post("/api/auth/sign-out", nil).Want(http.StatusOK)
	p.stop()
	wantFiles(t, folder)
}

func signUp(b *browser.Browser) {
	b.Post("/api/auth/sign-up/email", map[string]any{"name": "Al", "email": "al@example.com", "password": password}).Want(http.StatusOK)
}

func wantFiles(t *testing.T, folder string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("files in the folder: %q, want %q", got, want)
	}
}

func wantHello(t *testing.T, b *browser.Browser, message string) {
	t.Helper()
	if got := b.Get("/api/hello").Want(http.StatusOK).Text("message"); got != message {
		t.Errorf("/api/hello says %q, want %q", got, message)
	}
}

// export wants everything about the user, without what would sign others in.
func export(t *testing.T, b *browser.Browser) {
	t.Helper()
	answer := b.Get("/api/export").Want(http.StatusOK)
	if email := answer.Text("user", "email"); email != "al@example.com" {
		t.Errorf("/api/export answers for %q", email)
	}
	if sessions, _ := answer.JSON("sessions").([]any); len(sessions) != 1 {
		t.Errorf("/api/export has not one session: %s", answer.Body)
	}
	token, _, _ := strings.Cut(b.Cookie("better-auth.session_token"), ".")
	if token == "" || strings.Contains(answer.Body, token) {
		t.Errorf("/api/export holds the session's token: %s", answer.Body)
	}
}

// rollDice rolls until it is told to wait.
func rollDice(t *testing.T, p *process, b *browser.Browser) {
	t.Helper()
	b.Header.Set("Origin", "https://evil.example")
	b.Post("/api/dice", nil).WantCode(http.StatusForbidden, "INVALID_ORIGIN")
	b.Header.Set("Origin", p.baseURL)
	for range 5 {
		if n, _ := b.Post("/api/dice", nil).Want(http.StatusOK).JSON("dice").(float64); n < 1 || n > 6 {
			t.Errorf("the dice show %v", n)
		}
	}
	refused := b.Post("/api/dice", nil).WantCode(http.StatusTooManyRequests, "TOO_MANY_REQUESTS")
	if wait, _ := strconv.Atoi(refused.Header.Get("Retry-After")); wait < 1 || wait > 60 {
		t.Errorf("Retry-After is %q, want 1 to 60 seconds", refused.Header.Get("Retry-After"))
	}
}
