package mailconn

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Folder is a folder of a mailbox.
type Folder struct {
	Name       string
	Selectable bool
	Sent       bool // the server says so (RFC 6154)
	delimiter  rune
}

// Folders lists the folders of a mailbox.
func Folders(ctx context.Context, client *imapclient.Client) ([]Folder, error) {
	var out []Folder
	err := Do(ctx, client, func() error {
		var options *imap.ListOptions
		if caps := client.Caps(); caps.Has(imap.CapSpecialUse) && (caps.Has(imap.CapListExtended) || caps.Has(imap.CapIMAP4rev2)) {
			options = &imap.ListOptions{ReturnSpecialUse: true}
		}
		list, err := client.List("", "*", options).Collect()
		if err != nil {
			return err
		}
		for _, l := range list {
			f := Folder{Name: l.Mailbox, Selectable: true, delimiter: l.Delim}
			for _, a := range l.Attrs {
				switch {
				case strings.EqualFold(string(a), string(imap.MailboxAttrSent)):
					f.Sent = true
				case strings.EqualFold(string(a), string(imap.MailboxAttrNoSelect)), strings.EqualFold(string(a), string(imap.MailboxAttrNonExistent)):
					f.Selectable = false
				}
			}
			out = append(out, f)
		}
		return nil
	})
	return out, err
}

// SentBy says how the Sent folder was found.
type SentBy string

// The ways, best first.
const (
	SentBySpecialUse SentBy = "special-use" // the server says so (RFC 6154)
	SentByChoice     SentBy = "configured"
	SentByName       SentBy = "name" // it is called as Sent folders are
	SentNotFound     SentBy = ""
)

// SentFolder picks the Sent folder: the one of the given name, or the one the server marks, or one with a usual name.
func SentFolder(folders []Folder, configured string) (string, SentBy) {
	for _, f := range folders {
		if configured != "" && f.Name == configured && f.Selectable {
			return f.Name, SentByChoice
		}
	}
	for _, f := range folders {
		if f.Sent && f.Selectable {
			return f.Name, SentBySpecialUse
		}
	}
	for _, name := range sentNames() {
		for _, f := range folders {
			if _, last := f.split(); f.Selectable && strings.EqualFold(last, name) {
				return f.Name, SentByName
			}
		}
	}
	return "", SentNotFound
}

// split gives the folder above and the folder's own name.
func (f Folder) split() (above, name string) {
	at := -1
	if f.delimiter != 0 {
		at = strings.LastIndex(f.Name, string(f.delimiter))
	}
	if at < 0 {
		return "", f.Name
	}
	return f.Name[:at], f.Name[at+utf8.RuneLen(f.delimiter):]
}

// AlsoSent lists the folders beside the Sent folder that mail clients may use as theirs: those the server marks, and those with a
// usual name at the top, below INBOX or beside the Sent folder. Deeper ones are somebody's archive.
func AlsoSent(folders []Folder, sent string) (out []string) {
	beside := ""
	for _, f := range folders {
		if f.Name == sent {
			beside, _ = f.split()
		}
	}
	usual := sentNames()
	for _, f := range folders {
		above, last := f.split()
		near := above == "" || strings.EqualFold(above, "INBOX") || above == beside
		named := slices.ContainsFunc(usual, func(name string) bool { return strings.EqualFold(last, name) })
		if f.Selectable && f.Name != sent && (f.Sent || near && named) {
			out = append(out, f.Name)
		}
	}
	return out
}

// sentNames are what mail programs call the folder, in the languages of Europe first.
func sentNames() []string {
	return slices.Concat(
		[]string{"Sent", "Sent Items", "Sent Mail", "Sent Messages", "Sent-Mail"},
		[]string{"Gesendet", "Gesendete Elemente", "Gesendete Objekte", "Gesendete Nachrichten"},
		[]string{"Envoyés", "Éléments envoyés", "Messages envoyés", "Envoyes", "Courrier envoyé"},
		[]string{"Enviados", "Elementos enviados", "Mensajes enviados", "Correo enviado", "Itens Enviados", "Enviadas", "Mensagens enviadas", "Enviats"},
		[]string{"Inviati", "Posta inviata", "Posta Inviata", "Messaggi inviati", "Elementi inviati", "Inviata"},
		[]string{"Verzonden", "Verzonden items", "Verzonden berichten", "Verstuurd"},
		[]string{"Skickat", "Skickade objekt", "Skickade", "Sendt", "Sendte elementer", "Sendt post", "Lähetetyt", "Lähetetyt kohteet", "Sent elementer"},
		[]string{"Wysłane", "Elementy wysłane", "Odeslané", "Odeslaná pošta", "Odoslané", "Odoslaná pošta", "Elküldött", "Elküldött elemek", "Elküldött üzenetek"},
		[]string{"Trimise", "Elemente trimise", "Poslano", "Poslane stavke", "Poslato", "Изпратени", "Saadetud", "Nosūtītie", "Išsiųsti", "Išsiųstieji"},
		[]string{"Отправленные", "Надіслані", "Απεσταλμένα", "Gönderilmiş Öğeler", "Gönderilmiş", "Gönderilenler", "Gönderilmiş Postalar"},
		[]string{"送信済みアイテム", "送信済み", "送信済みメール", "已发送", "已发送邮件", "寄件備份", "已寄出", "보낸 편지함", "보낸편지함", "נשלח", "المرسلة", "العناصر المرسلة", "ส่งแล้ว", "Đã gửi", "Terkirim", "Dihantar"},
	)
}
