package archtest

import (
	"go/version"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// floor is the oldest Go that what others can reach is built with: older ones read hostile multiparts and addresses without
// bounds (REQUIREMENTS I8).
const floor = "go1.26.9"

// TestI8_ReleasesAreBuiltWithAGoThatBoundsHostileMail: the image and the README name the floor, while go.mod asks for no more
// than Go 1.26, so that every release of it builds and tests.
func TestI8_ReleasesAreBuiltWithAGoThatBoundsHostileMail(t *testing.T) {
	t.Parallel()
	named := func(file, pattern string) string {
		t.Helper()
		b, err := os.ReadFile(filepath.Join("..", "..", file))
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(pattern).FindAllSubmatch(b, -1)
		if len(found) != 1 {
			t.Fatalf("%s names Go %d times", file, len(found))
		}
		return "go" + string(found[0][1])
	}
	if got := named("go.mod", `(?m)^go (\S+)$`); got != "go1.26" && got != "go1.26.0" {
		t.Errorf("go.mod asks for %s", got)
	}
	if got := named("Dockerfile", `(?m)^FROM golang:([0-9.]+)\S* AS build$`); version.Compare(got, floor) < 0 {
		t.Errorf("the image is built with %s, older than %s", got, floor)
	}
	if got := named("README.md", `Go 1\.26 \((\S+) or newer`); got != floor {
		t.Errorf("README names %s as the floor, not %s", got, floor)
	}
	b, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if regexp.MustCompile(`(?m)^toolchain `).Match(b) {
		t.Error("go.mod pins a toolchain")
	}
}
