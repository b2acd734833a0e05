// Package config holds the settings of the process: where it listens, where its data lies, what it connects to. What
// the organisation decides (mailboxes, forms, the portal) is in the database.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Config is the settings of the process. Each can be set in postern.toml by its toml name, and in the environment by
// POSTERN_ and that name in capitals; a secret also by a file that POSTERN_…_FILE names.
type Config struct {
	Data           string   `toml:"data" doc:"Folder for everything that lies on this machine: the SQLite database, files, the installation key."`
	Listen         string   `toml:"listen" doc:"Address and port to listen on."`
	BaseURL        string   `toml:"base_url" doc:"How the outside reaches the portal: scheme, host and, if it shares its host, a path (https://www.acme.example/help). Links in mails start with it, so a worker needs it too. Empty: http:// and the address listened on, for this machine alone."`
	DatabaseURL    string   `toml:"database_url" secret:"url" doc:"postgres://USER:PASSWORD@HOST/DATABASE. Empty: SQLite in the data folder."`
	RedisURL       string   `toml:"redis_url" secret:"url" doc:"redis://HOST:PORT, rediss://…, redis-sentinel://… or redis-cluster://…. Empty: a queue inside this process, for one gateway only."`
	BlobURL        string   `toml:"blob_url" secret:"url" doc:"s3://KEY:SECRET@HOST/BUCKET. Empty: a folder in the data folder."`
	SecretKey      string   `toml:"secret_key" secret:"all" doc:"The installation key, 64 hexadecimal digits: it signs links and encrypts stored passwords. Several machines must share one. Empty: made in the data folder at the first start."`
	TrustedProxies []string `toml:"trusted_proxies" doc:"Addresses or networks of proxies whose X-Forwarded-For is believed. Empty: none."`
	Templates      string   `toml:"templates" doc:"Folder with templates of your own for the portal's pages; see gateway portal preview --help. Empty: none."`
	LogFormat      string   `toml:"log_format" doc:"text or json."`
	LogLevel       string   `toml:"log_level" doc:"debug, info, warn or error."`

	given map[string]bool // what was set, by toml name
}

// IsSet tells whether a setting was given anywhere, so that it is not only its default. In a Config that a program made by
// itself everything is.
func (c Config) IsSet(name string) bool { return c.given == nil || c.given[name] }

// Default gives the settings that hold where nothing is set.
func Default() Config {
	return Config{Data: "./data", Listen: "127.0.0.1:8080", LogFormat: "text", LogLevel: "info"}
}

// Source says where settings come from, the weakest first.
type Source struct {
	File    string                       // a TOML file; empty: none
	Environ []string                     // as os.Environ gives it
	Flags   map[string]string            // by toml name; only those that were given
	Read    func(string) ([]byte, error) // nil: os.ReadFile
}

// Load reads the settings and checks them. Its error names everything that is wrong, not only the first.
func Load(s Source) (Config, error) {
	if s.Read == nil {
		s.Read = os.ReadFile
	}
	c := Default()
	c.given = map[string]bool{}
	errs := []error{loadFile(&c, s)}
	errs = append(errs, loadEnviron(&c, s), loadFlags(&c, s))
	if c.BaseURL == "" {
		c.BaseURL = "http://" + reachable(c.Listen)
		delete(c.given, "base_url")
	}
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	errs = append(errs, c.Validate())
	return c, errors.Join(errs...)
}

// reachable gives the address by which this machine reaches what listens on listen, which may be all of its addresses.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if ip, parseErr := netip.ParseAddr(host); err == nil && (host == "" || parseErr == nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return listen
}

func loadFile(c *Config, s Source) error {
	if s.File == "" {
		return nil
	}
	b, err := s.Read(s.File)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	var values map[string]any
	if err := toml.Unmarshal(b, &values); err != nil {
		if wrong, ok := errors.AsType[*toml.DecodeError](err); ok {
			row, _ := wrong.Position()
			return fmt.Errorf("%s line %d: %w", s.File, row, wrong)
		}
		return fmt.Errorf("%s: %w", s.File, err)
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if err := c.setAny(name, values[name]); err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", s.File, name, err))
		}
	}
	return errors.Join(errs...)
}

// setAny sets what stands in a file.
func (c *Config) setAny(name string, value any) error {
	f, err := c.field(name)
	if err != nil {
		return err
	}
	if f.Kind() == reflect.String {
		text, ok := value.(string)
		if !ok {
			return errors.New("want text in quotes")
		}
		f.SetString(text)
		return nil
	}
	list, ok := value.([]any)
	texts := make([]string, len(list))
	for i, v := range list {
		var isText bool
		texts[i], isText = v.(string)
		ok = ok && isText
	}
	if !ok {
		return errors.New(`want a list of texts, such as ["10.0.0.1", "10.1.0.0/16"]`)
	}
	f.Set(reflect.ValueOf(texts))
	return nil
}

const prefix = "POSTERN_"

// elsewhere are variables with our prefix that are no settings: this one names the file, and the tests have theirs.
// Kubernetes makes the others for a service called "postern".
func elsewhere(name string) bool {
	return name == "CONFIG" || name == "CORPUS" || name == "SHOTS" || strings.HasPrefix(name, "SERVICE_") || name == "PORT" || strings.HasPrefix(name, "PORT_")
}

func loadEnviron(c *Config, s Source) error {
	var errs []error
	for _, kv := range s.Environ {
		name, value, _ := strings.Cut(kv, "=")
		rest, ours := strings.CutPrefix(name, prefix)
		if !ours || elsewhere(rest) {
			continue
		}
		if file, fromFile := strings.CutSuffix(rest, "_FILE"); fromFile {
			b, err := s.Read(value)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
				continue
			}
			rest, value = file, strings.TrimRight(string(b), "\r\n")
		}
		if err := c.set(strings.ToLower(rest), value); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

func loadFlags(c *Config, s Source) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(s.Flags)) {
		if err := c.set(name, s.Flags[name]); err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w", strings.ReplaceAll(name, "_", "-"), err))
		}
	}
	return errors.Join(errs...)
}

// set sets what stands in the environment or on the command line: a list has commas or blanks in it.
func (c *Config) set(name, value string) error {
	f, err := c.field(name)
	if err != nil {
		return err
	}
	if f.Kind() == reflect.String {
		f.SetString(value)
		return nil
	}
	f.Set(reflect.ValueOf(strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })))
	return nil
}

func (c *Config) field(name string) (reflect.Value, error) {
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("toml") == name && name != "" {
			if c.given != nil {
				c.given[name] = true
			}
			return v.Field(i), nil
		}
	}
	return reflect.Value{}, fmt.Errorf("there is no such setting; there are %s", strings.Join(names(), ", "))
}

func names() []string {
	var out []string
	for f := range reflect.TypeFor[Config]().Fields() {
		if name := f.Tag.Get("toml"); name != "" {
			out = append(out, name)
		}
	}
	return out
}

// Validate checks what can be checked without connecting anywhere.
func (c Config) Validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Data == "" {
		wrong("data: name a folder")
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		wrong("listen: %q is not an address and a port, such as 127.0.0.1:8080", c.Listen)
	}
	if u, err := url.Parse(c.BaseURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		wrong("base_url: %q is not a URL such as https://support.example.com", c.BaseURL)
	} else if !pathOfPortal.MatchString(u.EscapedPath()) {
		wrong("base_url: the path of %q is not one such as /help or /support/portal", c.BaseURL)
	}
	if c.DatabaseURL != "" && !strings.HasPrefix(c.DatabaseURL, "postgres://") && !strings.HasPrefix(c.DatabaseURL, "postgresql://") {
		wrong("database_url: want postgres://…, or nothing for SQLite")
	}
	if c.BlobURL != "" && !strings.HasPrefix(c.BlobURL, "s3://") {
		wrong("blob_url: want s3://…, or nothing for a folder")
	}
	if c.SecretKey != "" {
		if _, err := ParseKey(c.SecretKey); err != nil {
			errs = append(errs, err)
		}
	}
	for _, p := range c.TrustedProxies {
		if _, err := netip.ParsePrefix(p); err == nil {
			continue
		}
		if _, err := netip.ParseAddr(p); err != nil {
			wrong("trusted_proxies: %q is neither an address nor a network", p)
		}
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		wrong("log_format: %q is neither text nor json", c.LogFormat)
	}
	switch c.LogLevel {
	case "debug", "info", "warn", "error":
	default:
		wrong("log_level: %q is none of debug, info, warn, error", c.LogLevel)
	}
	return errors.Join(errs...)
}

// pathOfPortal is a path that the portal may have.
var pathOfPortal = regexp.MustCompile(`^(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$`)

// Path is the path that the portal has on its host: empty, or such as "/help".
func (c Config) Path() string {
	u, err := url.Parse(c.BaseURL)
	if err != nil {
		return ""
	}
	return u.Path
}

// HTTPS tells whether people reach the portal over TLS.
func (c Config) HTTPS() bool { return strings.HasPrefix(c.BaseURL, "https://") }

// Setting is one setting as it may be shown.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Doc   string `json:"-"`
}

// Shown lists the settings with secrets masked.
func (c Config) Shown() []Setting {
	v := reflect.ValueOf(c)
	var out []Setting
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Tag.Get("toml") == "" {
			continue
		}
		value := v.Field(i).String()
		if list, ok := v.Field(i).Interface().([]string); ok {
			value = strings.Join(list, ",")
		}
		out = append(out, Setting{Name: f.Tag.Get("toml"), Value: mask(value, f.Tag.Get("secret")), Doc: f.Tag.Get("doc")})
	}
	return out
}

func mask(value, how string) string {
	switch {
	case value == "" || how == "":
		return value
	case how == "url":
		u, err := url.Parse(value)
		if err != nil || u.Host == "" {
			return "(set)"
		}
		// libpq's parameters may hold a password too.
		if q := u.Query(); len(q) > 0 {
			for name := range q {
				if low := strings.ToLower(name); strings.Contains(low, "pass") || strings.Contains(low, "secret") || strings.Contains(low, "token") {
					q.Set(name, "xxxxx")
				}
			}
			u.RawQuery = q.Encode()
		}
		return u.Redacted()
	}
	return "(set)"
}

//go:generate sh -c "go run ../cmd/gateway config --example >../postern.example.toml"

// Example gives a configuration file that explains every setting and changes none.
func Example() string {
	var b strings.Builder
	b.WriteString("# Postern reads this file as ./postern.toml, or where --config says. Every line may be left out.\n")
	for _, s := range Default().Shown() {
		fmt.Fprintf(&b, "\n# %s\n# In the environment: %s%s\n", s.Doc, prefix, strings.ToUpper(s.Name))
		if s.Name == "trusted_proxies" {
			b.WriteString("# trusted_proxies = []\n")
			continue
		}
		fmt.Fprintf(&b, "# %s = %q\n", s.Name, s.Value)
	}
	return b.String()
}

// Find gives the configuration file to read: the one named, or ./postern.toml if it is there, or none.
func Find(named string) string {
	if named != "" {
		return named
	}
	if _, err := os.Stat("postern.toml"); !errors.Is(err, fs.ErrNotExist) {
		return "postern.toml"
	}
	return ""
}
