// Command gateway puts a customer portal behind a support mailbox. "gateway --help" lists what it can do.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"postern/internal/app"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := app.Gateway(ctx, os.Args[1:], app.OS())
	stop()
	os.Exit(code)
}
