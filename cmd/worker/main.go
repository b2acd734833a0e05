// Command worker does what the outbox says, beside any number of gateways.
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
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once
	code := app.Worker(ctx, os.Args[1:], app.OS())
	stop()
	os.Exit(code)
}
