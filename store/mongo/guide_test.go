package mongostore_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheGuideShowsCodeThatExists(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/custom-store.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, block := range strings.Split(string(guide), "```go\n// store/mongo/")[1:] {
		file, code, _ := strings.Cut(block, "\n")
		code, _, _ = strings.Cut(code, "```")
		source, err := os.ReadFile(filepath.Clean(file))
		if err != nil {
			t.Error(err)
			continue
		}
		if !strings.Contains(string(source), code) {
			t.Errorf("%s does not hold\n%s", file, code)
		}
		shown++
	}
	if shown < 10 {
		t.Errorf("only %d pieces of code were found", shown)
	}
}
