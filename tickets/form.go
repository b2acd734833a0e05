package tickets

import (
	"cmp"
	"slices"
	"strings"

	"postern/desk"
	"postern/i18n"
	"postern/store"
)

// Forms lists the forms that the portal offers at this moment: those that are connected and lack nothing.
func Forms(org *store.Organisation) (out []desk.TicketForm) {
	for _, f := range org.Settings.TicketForms {
		if f.Connected && len(f.Missing(org.Settings, org.Mailboxes)) == 0 {
			out = append(out, f)
		}
	}
	return out
}

// formOf gives a form that the portal offers, the first for no key, and its mailbox.
func formOf(org *store.Organisation, key string) (desk.TicketForm, desk.Mailbox, error) {
	forms := Forms(org)
	i := slices.IndexFunc(forms, func(f desk.TicketForm) bool { return key == "" || f.Key == key })
	if i < 0 {
		return desk.TicketForm{}, desk.Mailbox{}, &desk.Error{Kind: desk.Conflict, Field: "form", Text: "this form is not offered any more", Key: "new.other_form"}
	}
	mb, _ := org.DefaultMailbox() // a form that is offered lacks none
	if forms[i].Mailbox != "" {
		mb, _ = org.Mailbox(forms[i].Mailbox)
	}
	return forms[i], mb, nil
}

// filled gives the values of a form's own fields as they are kept, and the same as lines of text in the language of words, for those who read the ticket
// in a mail. What the form has no field for is left out, whoever sent it.
func filled(s desk.Settings, f desk.TicketForm, in map[string]string, words i18n.MailTexts) (values map[string]string, lines string, err error) {
	values = map[string]string{}
	var b strings.Builder
	for _, field := range f.Fields {
		p, custom := field.Custom(s)
		if !custom {
			continue
		}
		v, err := field.Normal(p, in[p.Key])
		if err != nil {
			return nil, "", err
		}
		if v == "" {
			continue
		}
		values[p.Key] = v
		b.WriteString("\n" + cmp.Or(field.LabelIn(words.Lang), p.In(words.Lang)) + ": " + said(p, v, words))
	}
	if b.Len() > 0 {
		lines = "\n\n" + strings.TrimPrefix(b.String(), "\n")
	}
	return values, lines, nil
}

// said is a value as people read it in a mail.
func said(p desk.Property, v string, words i18n.MailTexts) string {
	switch {
	case p.Type == desk.BooleanProperty && v == "true":
		return words.Yes
	case p.Type == desk.BooleanProperty:
		return words.No
	}
	if i := slices.IndexFunc(p.Choices, func(c desk.Choice) bool { return c.Key == v }); i >= 0 {
		return p.Choices[i].In(words.Lang)
	}
	return v
}
