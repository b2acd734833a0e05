package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"postern/config"
	"postern/desk"
)

// Version is what this program calls itself.
const Version = "0.1.0"

// Gateway runs the gateway's command line and gives the exit status. demo starts the mail server of "gateway demo".
func Gateway(ctx context.Context, args []string, env Env, demo StartDemoMail) int {
	c := &cli{env: env, demoMail: demo}
	root := c.root("gateway", "A customer portal behind an ordinary support mailbox", `Customers write by mail, by web form or in the portal; agents stay in their mail client.
Without a command it serves. "gateway demo" shows it with nothing set up.`)
	root.RunE = c.serve
	root.AddCommand(c.serveCommand(), c.demoCommand(), c.inspectCommand(), c.mailboxCommand(), c.companyCommand(), c.contactCommand(), c.agentCommand(),
		c.ticketCommand(), c.heldCommand(), c.quarantineCommand(), c.ledgerCommand(), c.outboxCommand(), c.formCommand(), c.kbCommand(), c.settingsCommand(), c.exportCommand(), c.applyCommand(), c.portalCommand(), c.listCommand(), c.auditCommand(), c.devCommand(), c.tokenCommand(), c.configCommand(), c.verifyCommand(), c.versionCommand())
	return c.run(ctx, root, args)
}

// Worker runs the worker's command line and gives the exit status.
func Worker(ctx context.Context, args []string, env Env) int {
	c := &cli{env: env}
	root := c.root("worker", "Does what the outbox says, beside any number of gateways",
		"It needs the database_url, redis_url, secret_key and blob_url of its gateways.")
	root.RunE = c.work
	root.AddCommand(c.configCommand(), c.versionCommand())
	return c.run(ctx, root, args)
}

// cli is one run of a command line.
type cli struct {
	env      Env
	demoMail StartDemoMail
	file     string
	asJSON   bool
}

func (c *cli) root(name, short, long string) *cobra.Command {
	root := &cobra.Command{Use: name, Short: short, Long: short + ".\n\n" + long, Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true}
	root.PersistentFlags().StringVar(&c.file, "config", "", "configuration file (default ./postern.toml, if it is there)")
	for _, s := range config.Default().Shown() {
		root.PersistentFlags().String(strings.ReplaceAll(s.Name, "_", "-"), "", s.Doc)
	}
	root.SetOut(c.env.Stdout)
	root.SetErr(c.env.Stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.SetIn(c.env.Stdin)
	root.CompletionOptions.HiddenDefaultCmd = true
	return root
}

func (c *cli) run(ctx context.Context, root *cobra.Command, args []string) int {
	out := &checkedWriter{w: c.env.Stdout}
	c.env.Stdout = out
	root.SetOut(out)
	root.SetArgs(args)
	ran, err := root.ExecuteContextC(ctx)
	if err == nil && out.err != nil {
		err = fmt.Errorf("what was to be printed is lost: %w; what was changed is changed", out.err)
	}
	if err == nil {
		return 0
	}
	code := fail(c.env.Stderr, err)
	if misused(err) {
		fmt.Fprintf(c.env.Stderr, "%s --help tells what there is.\n", ran.CommandPath())
		code = 2
	}
	return code
}

// checkedWriter remembers that something could not be written: a secret that is printed once must not be lost unseen.
type checkedWriter struct {
	w   io.Writer
	err error
}

// Write passes b on.
func (c *checkedWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	if c.err == nil {
		c.err = err
	}
	return n, err
}

// errUsage says that a command was called in a way that it does not have.
var errUsage = errors.New("wrong usage")

// misused tells whether the command line itself was wrong. Cobra has no type for some of its errors.
func misused(err error) bool {
	if errors.Is(err, errUsage) {
		return true
	}
	for _, begin := range []string{"unknown command ", "required flag(s) ", "accepts ", "requires at least ", "if any flags in the group "} {
		if strings.HasPrefix(err.Error(), begin) {
			return true
		}
	}
	return false
}

type usageError struct{ error }

// Is makes it errUsage.
func (usageError) Is(target error) bool { return target == errUsage }

// config reads the settings for a command.
func (c *cli) config(cmd *cobra.Command) (config.Config, error) {
	file := c.file
	for _, kv := range c.env.Environ {
		if v, ok := strings.CutPrefix(kv, "POSTERN_CONFIG="); ok && file == "" {
			file = v
		}
	}
	known := map[string]bool{}
	for _, s := range config.Default().Shown() {
		known[s.Name] = true
	}
	flags := map[string]string{}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if name := strings.ReplaceAll(f.Name, "-", "_"); known[name] {
			flags[name] = f.Value.String()
		}
	})
	return config.Load(config.Source{File: config.Find(file), Environ: c.env.Environ, Flags: flags})
}

// with opens the installation for a command, beside a gateway that may be running, and closes it behind.
func (c *cli) with(cmd *cobra.Command, do func(ctx context.Context, p *parts) error) (err error) {
	cfg, err := c.config(cmd)
	if err != nil {
		return err
	}
	if !cfg.IsSet("log_level") {
		cfg.LogLevel = "warn" // a command speaks for itself
	}
	_, missing := os.Stat(databaseFile(cfg))
	p, err := open(cmd.Context(), cfg, logger(cfg, c.env.Stderr))
	if err != nil {
		return err
	}
	if cfg.DatabaseURL == "" && errors.Is(missing, fs.ErrNotExist) {
		c.note("note: there was no Postern in the data folder %s; a new, empty one was made", cfg.Data)
	}
	defer func() {
		if closeErr := p.close(); err == nil {
			err = closeErr
		}
	}()
	return do(desk.As(cmd.Context(), actor()), p)
}

// actor is who is at the command line, as the audit log tells it.
func actor() desk.Actor {
	a := desk.Actor{Kind: desk.ActorCommand}
	if u, err := user.Current(); err == nil {
		a.Name = u.Username
	}
	return a
}

// listFlag gives a command that lists things the flag --json.
func (c *cli) listFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&c.asJSON, "json", false, "print JSON, one object")
	return cmd
}

// list prints a table, or the items as JSON.
func (c *cli) list(items any, header []string, rows [][]string) error {
	if c.asJSON {
		return printJSON(c.env.Stdout, map[string]any{"items": items})
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintln(c.env.Stdout, "There are none yet.")
		return err
	}
	w := tabwriter.NewWriter(c.env.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, strings.ToUpper(strings.Join(header, "\t")))
	for _, r := range rows {
		for i := range r {
			r[i] = strings.Map(visible, r[i])
		}
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	return w.Flush()
}

// visible keeps what strangers wrote, such as a name, from moving the cursor of a terminal.
func visible(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func (c *cli) say(format string, args ...any) { fmt.Fprintf(c.env.Stdout, format+"\n", args...) }

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { c.say("postern %s", Version); return nil },
	}
}

func (c *cli) configCommand() *cobra.Command {
	var example bool
	cmd := &cobra.Command{
		Use: "config", Short: "Print the settings in force, with secrets masked", Args: cobra.NoArgs,
		Example: "  gateway config\n  gateway config --example > postern.toml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if example {
				_, err := io.WriteString(c.env.Stdout, config.Example())
				return err
			}
			cfg, err := c.config(cmd)
			if err != nil {
				return err
			}
			if c.asJSON {
				return printJSON(c.env.Stdout, cfg.Shown())
			}
			for _, s := range cfg.Shown() {
				c.say("%s = %q", s.Name, s.Value)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&example, "example", false, "print a configuration file that explains every setting")
	return c.listFlag(cmd)
}
