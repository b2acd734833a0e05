package tickets

import (
	"context"
	"time"

	"postern/desk"
	"postern/mailmsg"
)

// fileLinkLasts is how long a link to a file works. It is passed on with the mail that it is attached to.
const fileLinkLasts = 30 * 24 * time.Hour

// FileLinkEnds gives the last day, in UTC, of a link to a file in a mail of that time.
func FileLinkEnds(written time.Time) (day string) {
	return written.Add(fileLinkLasts).UTC().Format(time.DateOnly)
}

// FilePath is where agents, who do not sign in, get a file that is too large for a mail, up to a day that FileLinkEnds gave. As with a file in a
// mail, whoever has the mail has it.
func FilePath(keys *mailmsg.Keyring, file desk.ID, until string) string {
	return mailmsg.FileLinks + string(file) + "/" + until + "/" + keys.Token(mailmsg.ForFile, string(file), until)
}

// LinkedFile gives the file that a link of FilePath is about. One that is none, or has ended, is NotFound.
func (d *Desk) LinkedFile(ctx context.Context, file desk.ID, until, token string) (desk.Attachment, error) {
	day, err := time.Parse(time.DateOnly, until)
	if err != nil || !d.keys.Verify(token, mailmsg.ForFile, string(file), until) || !d.db.Now().Before(day.AddDate(0, 0, 1)) {
		return desk.Attachment{}, desk.Missing("link")
	}
	return d.db.Attachment(ctx, desk.ScopeOfProgram(), file)
}
