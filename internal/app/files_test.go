package app_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"postern/config"
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("../../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestFilesNameRealSettings keeps the files that nobody runs here from naming settings and programs that don't exist.
func TestFilesNameRealSettings(t *testing.T) {
	known := map[string]bool{"POSTERN_CONFIG": true}
	for _, s := range config.Default().Shown() {
		known["POSTERN_"+strings.ToUpper(s.Name)] = true
	}
	for _, file := range []string{"docker-compose.yml", "Dockerfile", "README.md", "docs/operations.md"} {
		for _, name := range regexp.MustCompile(`POSTERN_[A-Z_]*[A-Z]`).FindAllString(read(t, file), -1) {
			if !known[strings.TrimSuffix(name, "_FILE")] {
				t.Errorf("%s names %s, which is no setting", file, name)
			}
		}
	}
	for _, program := range []string{"./cmd/gateway", "./cmd/worker"} {
		if !strings.Contains(read(t, "Dockerfile"), program) {
			t.Errorf("the Dockerfile does not build %s", program)
		}
	}
	for _, command := range []string{"go run ./cmd/gateway demo", "make test"} {
		if !strings.Contains(read(t, "README.md"), command) {
			t.Errorf("the README does not name %q", command)
		}
	}
}
