package mailmsg

import (
	"strconv"
	"strings"

	"postern/desk"
)

// automaticKind says what sort of automatic mail this is, where its header tells; "" where it does not.
func automaticKind(h header, subject string) desk.AutomaticKind {
	submitted := h.get("auto-submitted")
	switch token := firstToken(submitted); {
	case strings.Contains(strings.ToLower(submitted), "vacation") || h.has("x-mail-autoreply") || h.has("x-vacation") || awaySubject(subject):
		return desk.Away
	case h.has("x-rt-ticket") || h.has("rt-ticket") || h.has("x-otrs-loop") || h.has("x-zammad-ticket-id") || h.has("x-freshdesk-ticket-id") || h.has("x-zendesk-from-account-id"):
		return desk.Acknowledgement
	case token == "auto-generated" || token == "auto-notified" || h.has("x-cron-env") || h.has("x-facebook-notify") || h.has("x-github-reason") || h.has("x-jira-fingerprint"):
		return desk.Notification // RFC 3834 section 5, RFC 5436 section 2.7.1
	}
	return ""
}

// spamVerdict gives the field by which the server that received a mail calls it spam, or "". A sender who forges it keeps
// answers from nobody else.
func spamVerdict(h header) string {
	for _, f := range h {
		v := strings.ToLower(strings.TrimSpace(f.value))
		spam := false
		switch f.name {
		case "x-spam-flag", "x-spam-status", "x-spam", "x-barracuda-spam-flag", "x-barracuda-spam-status", "x-bogosity", "x-dspam-result", "x-vr-spamstate", "x-ovh-spam-status":
			spam = strings.HasPrefix(v, "yes") || strings.HasPrefix(v, "spam") || v == "true"
		case "x-ms-exchange-organization-scl":
			level, err := strconv.Atoi(v)
			spam = err == nil && level >= 5
		case "x-forefront-antispam-report":
			spam = strings.Contains(v, "sfv:spm")
		case "x-rspamd-action":
			spam = v == "add header" || v == "rewrite subject" || v == "reject"
		}
		if spam {
			return canonical(f.name)
		}
	}
	return ""
}
