package app

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postern/desk"
)

func (c *cli) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Let programs use the API", Args: cobra.NoArgs, RunE: help}
	var name string
	var scopes []string
	create := &cobra.Command{
		Use: "create", Short: "Make an API token and print it; it can't be shown again", Args: cobra.NoArgs,
		Long:    "Makes an API token and prints it, and nothing else, on stdout. Scopes: " + strings.Join(desk.Scopes(), ", ") + ".",
		Example: "  gateway token create --name script\n  gateway token create --name report --scope read",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("scope") && len(scopes) == 0 {
				return usageError{errors.New("--scope is empty; leave it out for read and write")}
			}
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				secret, err := p.accounts.CreateToken(ctx, name, scopes)
				if err == nil {
					c.say("%s", secret)
				}
				return err
			})
		},
	}
	create.Flags().StringVar(&name, "name", "", "what the token is for (required)")
	create.Flags().StringSliceVar(&scopes, "scope", nil, "what it may do (default read and write)")
	must(create.MarkFlagRequired("name"))
	list := c.listFlag(&cobra.Command{
		Use: "list", Short: "List the API tokens, without their secrets", Args: cobra.NoArgs, Example: "  gateway token list --json",
		RunE: func(cmd *cobra.Command, _ []string) error { return c.with(cmd, c.tokenList) },
	})
	revoke := &cobra.Command{
		Use: "revoke ID", Short: "End an API token at once", Args: cobra.ExactArgs(1), Example: "  gateway token revoke 019f…",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error { return p.accounts.RevokeToken(ctx, desk.ID(args[0])) })
		},
	}
	cmd.AddCommand(create, list, revoke)
	return cmd
}

type tokenLine struct {
	ID        desk.ID    `json:"id"`
	Name      string     `json:"name"`
	Scopes    []string   `json:"scopes"`
	CreatedAt time.Time  `json:"created_at"`
	LastUsed  *time.Time `json:"last_used"` // to the hour
}

func (c *cli) tokenList(ctx context.Context, p *parts) error {
	ts, err := p.db.Tokens(ctx)
	if err != nil {
		return err
	}
	items, rows := []tokenLine{}, [][]string{}
	for _, t := range ts {
		l := tokenLine{ID: t.ID, Name: t.Name, Scopes: nonNil(t.Scopes), CreatedAt: t.CreatedAt}
		used := "never"
		if !t.LastUsed.IsZero() {
			l.LastUsed, used = &t.LastUsed, t.LastUsed.Local().Format(time.DateTime)
		}
		items = append(items, l)
		rows = append(rows, []string{string(l.ID), l.Name, strings.Join(l.Scopes, ", "), l.CreatedAt.Local().Format(time.DateTime), used})
	}
	return c.list(items, []string{"id", "name", "scopes", "created", "last used"}, rows)
}
