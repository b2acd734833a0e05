package app

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// commands runs commands on an installation of their own.
type commands struct {
	t   *testing.T
	env []string
}

func newCommands(t *testing.T, more ...string) commands {
	return commands{t, append([]string{"POSTERN_DATA=" + filepath.Join(t.TempDir(), "data")}, more...)}
}

func (c commands) run(stdin string, args ...string) (code int, out, told string) {
	c.t.Helper()
	var o, e bytes.Buffer
	code = Gateway(c.t.Context(), args, Env{Environ: c.env, Stdin: strings.NewReader(stdin), Stdout: &o, Stderr: &e}, nil)
	return code, o.String(), e.String()
}

func (c commands) ok(args ...string) string {
	c.t.Helper()
	code, out, told := c.run("", args...)
	if code != 0 {
		c.t.Fatalf("gateway %s: exit status %d: %s%s", strings.Join(args, " "), code, out, told)
	}
	return strings.TrimSpace(out)
}

func (c commands) refused(want string, args ...string) {
	c.t.Helper()
	if code, out, told := c.run("", args...); code == 0 || !strings.Contains(told, want) {
		c.t.Errorf("gateway %s: exit status %d, %s%s; want %q", strings.Join(args, " "), code, out, told, want)
	}
}

// TestR3_SettingsByCommand: read, changed as a whole or not at all, carried to another installation and applied there once.
func TestR3_SettingsByCommand(t *testing.T) {
	t.Parallel()
	c := newCommands(t)
	if got := c.ok("settings", "get", "sharing.mode"); got != "own" {
		t.Errorf("the sharing mode is %q", got)
	}
	list := c.ok("list", "add", "--name", "Acme", "--rule", `[{"property":"domain","operator":"is","values":["acme.example"]}]`)
	out := c.ok("settings", "set", "portal_title=Acme Help", "sharing.mode=lists", `sharing.lists=["`+list+`"]`, "access.idle_minutes=45")
	if !strings.Contains(out, `sharing.mode: "own" -> "lists"`) || strings.Count(out, "->") != 4 {
		t.Errorf("it says %s", out)
	}
	c.refused("there is no setting nothing", "settings", "get", "nothing")
	c.refused("shown.columns", "settings", "set", "portal_title=Half", `shown.columns=["subject","price"]`)
	c.refused("given twice", "settings", "set", "portal_title=a", "portal_title=b")
	c.refused("Nothing was changed", "settings", "set", "access.idle_minutes=never")
	if got := c.ok("settings", "get", "portal_title"); got != "Acme Help" {
		t.Errorf("half of it was changed: %q", got)
	}
	file := filepath.Join(t.TempDir(), "setup.json")
	if err := os.WriteFile(file, []byte(c.ok("export")), 0o600); err != nil {
		t.Fatal(err)
	}
	other := newCommands(t)
	if out := other.ok("apply", file, "--dry-run"); !strings.Contains(out, "dry run") || other.ok("settings", "get", "portal_title") != "Support" {
		t.Errorf("the dry run: %s", out)
	}
	other.ok("apply", file)
	if a, b := c.ok("export"), other.ok("export"); a != b {
		t.Errorf("applied: %s\nwant %s", b, a)
	}
	if out := other.ok("apply", file); !strings.Contains(out, "Nothing changes") {
		t.Errorf("applied twice: %s", out)
	}
	other.refused("not a file of gateway export", "apply", os.DevNull)
	var log struct {
		Items []struct {
			Action string
			Actor  struct{ Kind string }
		}
	}
	if err := json.Unmarshal([]byte(c.ok("audit", "--json")), &log); err != nil || len(log.Items) != 2 || log.Items[0].Action != "settings.changed" || log.Items[0].Actor.Kind != "command" {
		t.Errorf("the audit log: %+v, %v", log, err)
	}
}

// TestP1_SwitchedOnItNamesWhatIsStillOpen: and off, and what a list's members see of it.
func TestP1_SwitchedOnItNamesWhatIsStillOpen(t *testing.T) {
	t.Parallel()
	c := newCommands(t)
	c.ok("portal", "off")
	if got := c.ok("settings", "get", "portal_on"); got != "false" {
		t.Errorf("switched off it is %s", got)
	}
	list := c.ok("list", "add", "--name", "Customers")
	c.ok("settings", "set", "access.entry=lists", `access.lists=["`+list+`"]`, "access.registration=open", "sharing.mode=main")
	out := c.ok("portal", "on")
	for _, step := range []string{"address:", "mailbox:", "consent:", "access:", "sharing:"} {
		if !strings.Contains(out, step) {
			t.Errorf("it does not tell of %s %s", step, out)
		}
	}
	id := c.ok("contact", "add", "--email", "ann@acme.example", "--name", "Ann Example", "--no-welcome")
	c.ok("list", "members", "Customers", "--add", "ann@acme.example")
	c.refused("there is no contact", "list", "members", "Customers", "--add", "nobody@acme.example")
	if out := c.ok("portal", "status"); strings.Contains(out, "access:") || !strings.Contains(out, "invitations: 1 people") {
		t.Errorf("with a member: %s", out)
	}
	c.refused("names this list", "list", "delete", "Customers")
	if got := c.ok("list", "members", "Customers", "--json"); !strings.Contains(got, id) {
		t.Errorf("the members: %s", got)
	}
	c.refused("which only this machine reaches", "contact", "invite", "ann@acme.example")
	if got := c.ok("contact", "password", "ann@acme.example"); !strings.Contains(got, "user name: ann.example") || !strings.Contains(got, "password:") {
		t.Errorf("made: %s", got)
	}
	company := c.ok("company", "add", "--name", "Acme", "--domain", "acme.example", "--verified-domain", "acme.example")
	c.ok("contact", "edit", id, "--company", company, "--main")
	if got := c.ok("contact", "list", "--json"); !strings.Contains(got, `"main_of": [`) || !strings.Contains(got, company) {
		t.Errorf("the contact: %s", got)
	}
	if out := c.ok("portal", "status", "--json"); strings.Contains(out, "sharing") {
		t.Errorf("with a verified domain: %s", out)
	}
}

// TestSeedMakesWhatIsMeasured: as much as it says, in an empty Postern alone.
func TestSeedMakesWhatIsMeasured(t *testing.T) {
	t.Parallel()
	c := newCommands(t)
	if out := c.ok("dev", "seed", "--messages", "205"); !strings.Contains(out, "41 tickets with 205 messages of 3 contacts") {
		t.Errorf("it says %s", out)
	}
	c.refused("there are tickets already", "dev", "seed")
	if out := c.ok("contact", "list", "--json"); strings.Count(out, `"id"`) != 3 {
		t.Errorf("the contacts: %s", out)
	}
	c.ok("verify")
}
