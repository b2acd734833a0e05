package config

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
)

const canary = "canary-3f9c1d77"

// files is where a Source reads from.
func files(m map[string]string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		if s, ok := m[name]; ok {
			return []byte(s), nil
		}
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
}

func TestNothingSetIsEnough(t *testing.T) {
	t.Parallel()
	c, err := Load(Source{})
	if err != nil || c.BaseURL != "http://127.0.0.1:8080" || c.Data != "./data" || c.HTTPS() {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestLinksLeadToAnAddressThatCanBeReached(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string]string{":8080": "http://127.0.0.1:8080", "0.0.0.0:81": "http://127.0.0.1:81", "[::]:82": "http://127.0.0.1:82", "192.0.2.1:83": "http://192.0.2.1:83", "localhost:84": "http://localhost:84"} {
		c, err := Load(Source{Environ: []string{"POSTERN_LISTEN=" + listen, "POSTERN_BASE_URL="}})
		if err != nil || c.BaseURL != want || c.IsSet("base_url") {
			t.Errorf("%s: %s, %v", listen, c.BaseURL, err)
		}
	}
	for _, name := range []string{"POSTERN_PORTAL_TITLE", "POSTERN_PORTS"} {
		if _, err := Load(Source{Environ: []string{name + "=x"}}); err == nil || !strings.Contains(err.Error(), "no such setting") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFlagsBeatTheEnvironmentAndThatTheFile(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("ab", 32)
	c, err := Load(Source{
		File: "x.toml",
		Environ: []string{
			"POSTERN_LISTEN=0.0.0.0:2", "POSTERN_LOG_LEVEL=debug", "POSTERN_TRUSTED_PROXIES=10.0.0.0/8, 192.0.2.1", "POSTERN_SECRET_KEY_FILE=/run/key", "PATH=/bin", "POSTERN_CONFIG=x.toml",
			"POSTERN_PORT_80_TCP=tcp://1.2.3.4", "POSTERN_SERVICE_HOST=1.2.3.4", "POSTERN_PORT=tcp://1.2.3.4:80",
		},
		Flags: map[string]string{"log_level": "warn", "base_url": "https://help.acme.example/"},
		Read:  files(map[string]string{"x.toml": "listen = '0.0.0.0:1'\nlog_level = 'error'\nlog_format = 'json'\ntrusted_proxies = ['127.0.0.1']\n", "/run/key": key + "\n"}),
	})
	want := Config{
		Data: "./data", Listen: "0.0.0.0:2", LogLevel: "warn", LogFormat: "json", BaseURL: "https://help.acme.example", TrustedProxies: []string{"10.0.0.0/8", "192.0.2.1"}, SecretKey: key,
	}
	if !c.IsSet("base_url") || !c.IsSet("listen") || c.IsSet("data") || c.IsSet("redis_url") {
		t.Errorf("said to be set: %v", c.given)
	}
	c.given = nil
	if err != nil || !reflect.DeepEqual(c, want) || !c.HTTPS() {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestEveryProblemIsToldAtOnceAndNoSecret(t *testing.T) {
	t.Parallel()
	_, err := Load(Source{
		File: "x.toml",
		Environ: []string{
			"POSTERN_LISTN=x", "POSTERN_DATABASE_URL=mysql://u:" + canary + "@h/d", "POSTERN_BLOB_URL=file:///" + canary, "POSTERN_SECRET_KEY=" + canary, "POSTERN_REDIS_URL_FILE=/missing",
			"POSTERN_TRUSTED_PROXIES=everybody", "POSTERN_LOG_LEVEL=loud",
		},
		Flags: map[string]string{"log_format": "xml", "colour": "red", "data": ""},
		Read:  files(map[string]string{"x.toml": "lisen = 'x'\nlog_level = 3\ntrusted_proxies = [1]\nlisten = 'nowhere'\nbase_url = 'help.acme.example'\n[mailbox]\nname = 'x'\n"}),
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"x.toml: lisen: there is no such setting", "x.toml: mailbox: there is no such setting", "x.toml: log_level: want text", "x.toml: trusted_proxies: want a list", "POSTERN_LISTN: there is no such setting", "POSTERN_REDIS_URL_FILE: open /missing", "--colour: there is no such setting", "data: name a folder",
		`listen: "nowhere"`, `base_url: "help.acme.example"`, "database_url: want postgres", "blob_url: want s3", "secret_key: want 64", `trusted_proxies: "everybody"`, `log_format: "xml"`, `log_level: "loud"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("not told: %s", want)
		}
	}
	if strings.Contains(err.Error(), canary) {
		t.Errorf("a secret is told: %v", err)
	}
	if t.Failed() {
		t.Log(err)
	}
}

// TestB1_ThePathOfThePortal: what a base_url may have after its host.
func TestB1_ThePathOfThePortal(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"https://help.acme.example": "", "https://www.acme.example/help": "/help", "https://www.acme.example/help/": "/help", "https://acme.example/a-b/c.d": "/a-b/c.d",
		"https://acme.example/../x": "wrong", "https://acme.example//x": "wrong", "https://acme.example/a b": "wrong", "https://acme.example/%2e%2e": "wrong", `https://acme.example/"x`: "wrong", "https://acme.example/.": "wrong",
	} {
		c, err := Load(Source{Flags: map[string]string{"base_url": given}})
		if want == "wrong" {
			if err == nil || !strings.Contains(err.Error(), "base_url: the path of") {
				t.Errorf("%s: %v", given, err)
			}
			continue
		}
		if err != nil || c.Path() != want || c.BaseURL != strings.TrimRight(given, "/") {
			t.Errorf("%s has the path %q: %v", given, c.Path(), err)
		}
	}
}

func TestBrokenFiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"no TOML":   {"listen", "x.toml line 1: "},
		"cut short": {"secret_key = '" + canary, "x.toml line 1: "},
		"a number":  {"listen = 8080", "x.toml: listen: want text in quotes"},
		"a list":    {"data = ['x']", "x.toml: data: want text in quotes"},
	} {
		_, err := Load(Source{File: "x.toml", Read: files(map[string]string{"x.toml": c.text})})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Load(Source{File: "missing.toml", Read: files(nil)}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is named and is not there: %v", err)
	}
}

func TestSecretsAreMasked(t *testing.T) {
	t.Parallel()
	c := Default()
	c.DatabaseURL = "postgres://user:" + canary + "@db/postern?sslpassword=" + canary + "&sslmode=require"
	c.RedisURL = "redis-cluster://user:" + canary + "@a:1,b:2"
	c.BlobURL = "s3://KEY:" + canary + "@host/bucket"
	c.SecretKey = canary
	shown := map[string]string{}
	for _, s := range c.Shown() {
		shown[s.Name] = s.Value
		if strings.Contains(s.Value, canary) {
			t.Errorf("%s shows %s", s.Name, s.Value)
		}
		if s.Doc == "" {
			t.Errorf("%s is not explained", s.Name)
		}
	}
	if len(shown) != len(names()) || !strings.Contains(shown["database_url"], "db/postern") || !strings.Contains(shown["database_url"], "sslmode=require") || shown["secret_key"] == "" || shown["redis_url"] == "" {
		t.Errorf("shown %v", shown)
	}
}

func TestExampleFileIsCurrent(t *testing.T) {
	t.Parallel()
	got, err := os.ReadFile("../postern.example.toml")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != Example() {
		t.Error("postern.example.toml is not what config.Example gives: run go generate ./config")
	}
	c, err := Load(Source{File: "x", Read: files(map[string]string{"x": Example()})})
	d, derr := Load(Source{})
	if err != nil || derr != nil || !reflect.DeepEqual(c, d) {
		t.Errorf("the example changes something: %+v, %v", c, err)
	}
	every := strings.NewReplacer("# data =", "data =", "# listen =", "listen =", "# log_format =", "log_format =", "# log_level =", "log_level =", "# trusted_proxies =", "trusted_proxies =", "# secret_key =", "secret_key =").Replace(Example())
	if _, err := Load(Source{File: "x", Read: files(map[string]string{"x": every})}); err != nil {
		t.Errorf("the example's own lines are not taken: %v", err)
	}
}

func TestKeyIsMadeOnceAndForEver(t *testing.T) {
	t.Parallel()
	c := Default()
	c.Data = filepath.Join(t.TempDir(), "data")
	keys := make([]Key, 20)
	var wg sync.WaitGroup
	for i := range keys { // programs that start at the same time
		wg.Go(func() {
			var err error
			if keys[i], _, err = LoadKey(c); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, k := range keys {
		if k != keys[0] || k == (Key{}) {
			t.Fatal("not all have the same key")
		}
	}
	path := filepath.Join(c.Data, "secret.key")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if left, err := filepath.Glob(path + ".*"); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	c.SecretKey = " " + hex.EncodeToString(keys[0][:]) + "\n"
	if k, made, err := LoadKey(c); made || err != nil || k != keys[0] {
		t.Errorf("the same key from the settings: %v", err)
	}
	c.SecretKey = ""
	if err := os.WriteFile(path, []byte(canary), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := LoadKey(c); err == nil || strings.Contains(err.Error(), canary) || !strings.Contains(err.Error(), path) {
		t.Errorf("a broken key file: %v", err)
	}
	a, b := keys[0].Derive("database"), keys[0].Derive("links")
	if a == b || a != keys[0].Derive("database") || a == [32]byte(keys[0]) {
		t.Error("derived keys are not apart")
	}
}
