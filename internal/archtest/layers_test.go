// Package archtest holds the layers of docs/architecture.md: imports only point down, never sideways, and a third-party
// module is named only by the packages that wrap it.
package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "postern"

// layers lists the packages, lowest layer first. A package may import those of lower layers only.
var layers = [][]string{
	{"desk", "config", "i18n", "blob", "safehtml", "palette"},
	{"mailmsg", "store", "queue", "web", "mailconn"},
	{"tickets", "accounts", "oauth"},
	{"ingest", "outbound", "portal", "console", "api"},
	{"ingest/imap", "ingest/webhook", "outbound/smtp", "outbound/mailbox"},
	{"internal/seed"},
	{"internal/app", "internal/demo"},
	{"cmd/gateway", "cmd/worker"},
}

// confined maps a third-party module, or a package of one, to the packages that may import it.
var confined = map[string][]string{
	"github.com/alexedwards/argon2id":     {"accounts"},
	"github.com/alexedwards/scs":          {"web"},
	"github.com/alicebob/miniredis":       {"queue"},
	"github.com/danielgtaylor/huma":       {"api"},
	"github.com/emersion/go-imap":         {"mailconn", "ingest/imap", "outbound/mailbox", "internal/demo"},
	"github.com/emersion/go-message":      {"mailmsg"},
	"github.com/emersion/go-msgauth":      {"mailmsg"},
	"github.com/emersion/go-sasl":         {"mailconn", "internal/demo"},
	"github.com/emersion/go-smtp":         {"internal/demo"},
	"github.com/gin-gonic/gin":            {"web", "portal", "console", "api"},
	"github.com/go-playground/locales":    {"i18n"},
	"github.com/go-webauthn/webauthn":     {"accounts"},
	"github.com/gogs/chardet":             {"mailmsg"},
	"github.com/hibiken/asynq":            {"queue"},
	"github.com/inbucket/html2text":       {"safehtml"},
	"github.com/jackc/pgx":                {"store"},
	"github.com/lucasb-eyer/go-colorful":  {"palette"},
	"github.com/microcosm-cc/bluemonday":  {"safehtml"},
	"github.com/minio/minio-go":           {"blob"},
	"github.com/nicksnyder/go-i18n":       {"i18n"},
	"github.com/pelletier/go-toml":        {"config", "i18n", "internal/app"},
	"github.com/pressly/goose":            {"store"},
	"github.com/redis/go-redis":           {"queue"},
	"github.com/schollz/progressbar":      {"internal/app"},
	"github.com/spf13/cobra":              {"internal/app"},
	"github.com/wneessen/go-mail":         {"mailconn", "outbound/smtp"},
	"github.com/yuin/goldmark":            {"safehtml"},
	"go.yaml.in/yaml/v3":                  {"internal/app"},
	"golang.org/x/net/html":               {"safehtml"},
	"golang.org/x/oauth2":                 {"oauth"},
	"modernc.org/sqlite":                  {"store"},
	"github.com/prometheus/client_golang": {"internal/app", "web"},
}

// unlayered are the packages that only tests use, and that may import anything.
var unlayered = []string{"internal/archtest", "internal/desktest", "internal/mailtest", "internal/e2e", "internal/bench"}

type pkg struct {
	ImportPath string
	Imports    []string
}

func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	level := map[string]int{}
	for n, row := range layers {
		for _, p := range row {
			level[p] = n + 1
		}
	}
	for _, p := range packages(t) {
		self := strings.TrimPrefix(p.ImportPath, module+"/")
		if slices.ContainsFunc(unlayered, func(u string) bool { return within(self, u) }) {
			continue
		}
		have, ok := level[self]
		if !ok {
			t.Errorf("%s is in no layer: add it to layers and to the table in docs/architecture.md", self)
			continue
		}
		for _, imp := range p.Imports {
			rest, ours := strings.CutPrefix(imp, module+"/")
			if !ours {
				continue
			}
			switch l, known := level[rest]; {
			case !known:
				t.Errorf("%s imports %s, which only tests may", self, rest)
			case l == have:
				t.Errorf("%s imports %s sideways, in layer %d", self, rest, l)
			case l > have:
				t.Errorf("%s (layer %d) imports %s (layer %d)", self, have, rest, l)
			}
		}
	}
}

func TestModulesStayConfined(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		self := strings.TrimPrefix(p.ImportPath, module+"/")
		if slices.ContainsFunc(unlayered, func(u string) bool { return within(self, u) }) {
			continue
		}
		for _, imp := range p.Imports {
			if self == "desk" && strings.Contains(strings.Split(imp, "/")[0], ".") && imp != "golang.org/x/net/idna" {
				t.Errorf("desk imports %s; it may import the standard library and idna alone", imp)
			}
			for mod, who := range confined {
				if within(imp, mod) && !slices.Contains(who, self) {
					t.Errorf("%s imports %s; only %v may", self, imp, who)
				}
			}
		}
	}
}

// within tells whether path is root or lies below it.
func within(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

// packages lists ours with their imports, those of test files left out.
func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-e", "-json=ImportPath,Imports", module+"/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []pkg
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		t.Fatal("go list names no package")
	}
	return all
}
