package page_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/examples/internal/page"
)

func get(t *testing.T, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	page.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if w.Code != http.StatusOK {
		t.Fatalf("GET %s: status %d", path, w.Code)
	}
	return w
}

func TestPageLoadsOnlyFilesOfItsOwn(t *testing.T) {
	t.Parallel()
	types := map[string]string{".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
	loaded := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?:src|href)="([^"#][^"]*)"`).FindAllStringSubmatch(get(t, "/").Body.String(), -1) {
		path := match[1]
		ext := path[strings.LastIndex(path, "."):]
		if got := get(t, path).Header().Get("Content-Type"); !strings.HasPrefix(got, types[ext]) {
			t.Errorf("%s is served as %q", path, got)
		}
		loaded[ext] = true
	}
	if len(loaded) != len(types) {
		t.Errorf("the page loads %v only", loaded)
	}
}

func TestPageNeedsNothingThatItsPolicyForbids(t *testing.T) {
	t.Parallel()
	w := get(t, "/")
	inline := regexp.MustCompile(`(?i)<style|<script[^>]*>[^<]|\s(style|on\w+)=|javascript:`)
	if found := inline.FindString(w.Body.String()); found != "" {
		t.Errorf("the page holds %q, which needs unsafe-inline", found)
	}
	for name, want := range map[string]string{
		"Content-Security-Policy": "frame-ancestors 'none'",
		"X-Content-Type-Options":  "nosniff",
	} {
		if got := w.Header().Get(name); !strings.Contains(got, want) || strings.Contains(got, "unsafe") {
			t.Errorf("%s: %q, want %q in it and nothing unsafe", name, got, want)
		}
	}
}

// A label that is missing makes a field useless to who cannot see it.
func TestEveryFieldHasALabel(t *testing.T) {
	t.Parallel()
	html := get(t, "/").Body.String()
	html = regexp.MustCompile(`(?s)<label.*?</label>`).ReplaceAllString(html, "")
	for _, input := range regexp.MustCompile(`<input[^>]*>`).FindAllString(html, -1) {
		if !strings.Contains(input, " hidden") {
			t.Errorf("%s is in no label", input)
		}
	}
}
