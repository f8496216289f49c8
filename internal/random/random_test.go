package random_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/ostiary/ostiary/internal/random"
)

func TestTextIsOfTheLengthAndLettersAskedFor(t *testing.T) {
	t.Parallel()
	var all []byte
	for range 256 {
		for b := range 256 {
			all = append(all, byte(b))
		}
	}
	const n = 62 * 256
	text, err := random.Text(bytes.NewReader(all), n)
	if err != nil || len(text) != n {
		t.Fatalf("%d characters, %v; want %d", len(text), err, n)
	}
	seen := map[rune]int{}
	for _, r := range text {
		seen[r]++
	}
	for r, times := range seen {
		if times != n/62 {
			t.Errorf("%q comes %d times out of bytes that come equally often, want %d", r, times, n/62)
		}
	}
	if len(seen) != 62 {
		t.Errorf("%d different characters, want 62", len(seen))
	}
}

func TestTextFailsWithItsSource(t *testing.T) {
	t.Parallel()
	if text, err := random.Text(iotest.ErrReader(io.ErrNoProgress), 8); !errors.Is(err, io.ErrNoProgress) || text != "" {
		t.Errorf("got %q, %v", text, err)
	}
}
