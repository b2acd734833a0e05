package ingest

import (
	"testing"

	"postern/desk"
)

func TestL1_ASubjectAloneKeepsNoMailFromBeingATicket(t *testing.T) {
	both(t, func(r *rig) {
		e := r.arrives(mail(ann, support, "1@customer.example", "please help", "Subject: Out of office printer is broken"))
		r.want(e, desk.NewTicket)
		if n := len(r.effects(desk.WelcomeMail)); n != 0 {
			r.t.Errorf("%d automatic answers", n)
		}
		r.want(r.arrives(mail("bob@customer.example", support, "2@customer.example", "I am away", "Subject: Out of office", answering("unknown@acme.example"))), desk.Automated)
	})
}
