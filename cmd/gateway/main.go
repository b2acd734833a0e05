// Command gateway puts a customer portal behind a support mailbox. "gateway --help" lists what it can do.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"postern/internal/app"
	"postern/internal/demo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once
	code := app.Gateway(ctx, os.Args[1:], app.OS(), startMail)
	stop()
	os.Exit(code)
}

func startMail(ctx context.Context, passwords map[string]string, imapPort, smtpPort int) (app.DemoMail, error) {
	return demo.Start(ctx, passwords, imapPort, smtpPort)
}
