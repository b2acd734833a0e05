package mailmsg

import (
	"strings"
	"testing"

	"postern/safehtml"
)

func TestFoldIntroductions(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"On Mon, Mar 2, 2026 at 10:00 AM Ann Lee <ann@example.net> wrote:",
		"On Mon, Mar 2, 2026 at 10:00 AM A Very Long Name Indeed <\nann@example.net> wrote:",
		"Am Mo., 2. März 2026 um 10:00 Uhr schrieb Ann Lee <ann@example.net>:",
		"Am 02.03.26 um 10:00 schrieb Ann Lee:",
		"Le lun. 2 mars 2026 à 10:00, Ann Lee <ann@example.net> a écrit :",
		"El lun, 2 mar 2026 a las 10:00, Ann Lee (<ann@example.net>) escribió:",
		"Il giorno lun 2 mar 2026 alle ore 10:00 Ann Lee <ann@example.net> ha scritto:",
		"Em seg., 2 de mar. de 2026 às 10:00, Ann Lee <ann@example.net> escreveu:",
		"Op ma 2 mrt 2026 om 10:00 schreef Ann Lee <ann@example.net>:",
		"W dniu 2.03.2026 o 10:00, Ann Lee pisze:",
		"pon., 2 mar 2026 o 10:00 Ann Lee <ann@example.net> napisał(a):",
		"Den mån 2 mars 2026 kl 10:00 skrev Ann Lee <ann@example.net>:",
		"man. 2. mar. 2026 kl. 10.00 skrev Ann Lee <ann@example.net>:",
		"ma 2. maalisk. 2026 klo 10.00 Ann Lee (ann@example.net) kirjoitti:",
		"po 2. 3. 2026 v 10:00 odesílatel Ann Lee <ann@example.net> napsal:",
		"пн, 2 мар. 2026 г. в 10:00, Ann Lee <ann@example.net>:",
		"2 марта 2026 г., в 10:00, Ann Lee <ann@example.net> написал(а):",
		"Ann Lee <ann@example.net>, 2 Mar 2026 Pzt, 10:00 tarihinde şunu yazdı:",
		"2026年3月2日(月) 10:00 Ann Lee <ann@example.net>:",
		"Ann Lee <ann@example.net> 于2026年3月2日周一 10:00写道：",
		"2026년 3월 2일 (월) 오전 10:00, Ann Lee <ann@example.net>님이 작성:",
		"---- On Mon, 02 Mar 2026 10:00:00 +0000 ann@example.net wrote ----",
		"-----Original Message-----", "-----Ursprüngliche Nachricht-----", "----- Message d'origine -----", "-------- Oorspronkelijk bericht --------",
		"## Please reply above this line ##",
		"________________________________\nFrom: Ann Lee <ann@example.net>\nSent: Monday, March 2, 2026 10:00\nTo: Support\nSubject: x",
		"*Von:* Ann Lee <ann@example.net>\n*Gesendet:* Montag, 2. März 2026 10:00\n*An:* Support\n*Betreff:* x",
		"De : Ann Lee\nEnvoyé : lundi 2 mars 2026\nÀ : Support\nObjet : x",
		"差出人: Ann Lee\n送信日時: 2026年3月2日\n宛先: Support\n件名: x",
	} {
		for mark, old := range map[string]string{"marked": "> old line\n> another", "plain": "old line\nanother"} {
			text := "New words.\nMore of them.\n\n" + line + "\n\n" + old
			f := Fold(text, nil, nil)
			checkFolded(t, text, f)
			if f.Reply != "New words.\nMore of them." || f.Signature != "" {
				t.Errorf("%s %q: reply %q", mark, line, f.Reply)
			}
		}
	}
}

func TestFoldWholeMails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, reply, quoted, signature string }{
		"nothing to fold":        {"Hello\n\nworld", "Hello\n\nworld", "", ""},
		"signature":              {"Hello\n\n-- \nAnn Lee\n555-0100", "Hello", "", "-- \nAnn Lee\n555-0100"},
		"signature, then quote":  {"Hello\n\n-- \nAnn\n\nOn Mon, 2 Mar 2026, Bob wrote:\n> old", "Hello", "On Mon, 2 Mar 2026, Bob wrote:\n> old", "-- \nAnn"},
		"telephone":              {"Hello\n\nSent from my iPhone\n\n> old", "Hello", "> old", "Sent from my iPhone"},
		"closing":                {"Hello\n\nMit freundlichen Grüßen\nAnn Lee\nExample GmbH", "Hello", "", "Mit freundlichen Grüßen\nAnn Lee\nExample GmbH"},
		"closing, then question": {"Hello\n\nKind regards,\nAnn\n\nPS: when?", "Hello\n\nKind regards,\nAnn\n\nPS: when?", "", ""},
		"answer below":           {"On Mon, 2 Mar 2026, Bob wrote:\n> old\n\nHello", "Hello", "On Mon, 2 Mar 2026, Bob wrote:\n> old", ""},
		"and what is below them": {"> one?\n\nyes\n\n> two?\n\nno\n\n> three?\n> -- \n> Ann\n\n_____________\nthe list\nlist.example", "> one?\n\nyes\n\n> two?\n\nno", "> three?\n> -- \n> Ann", "_____________\nthe list\nlist.example"},
		"a closing and a name":   {"Hello\n\nBest regards,\nAnn", "Hello\n\nBest regards,\nAnn", "", ""},
		"a closing and more":     {"Hello\n\nBest regards,\nAnn\nHead of Machines", "Hello", "", "Best regards,\nAnn\nHead of Machines"},
		"answers between":        {"> one?\n\nyes\n\n> two?\n\nno", "> one?\n\nyes\n\n> two?\n\nno", "", ""},
		"wrapped quote":          {"Hello\n\n> a line that was so very long that some server on its way has\nwrapped it again\n> and on it goes", "Hello", "> a line that was so very long that some server on its way has\nwrapped it again\n> and on it goes", ""},
		"only a quote":           {"> old\n> older", "> old\n> older", "", ""},
		"only a history":         {"-----Original Message-----\nFrom: Ann\n\nold", "-----Original Message-----\nFrom: Ann\n\nold", "", ""},
		"forwarded":              {"see below\n\n---------- Forwarded message ----------\nimportant", "see below\n\n---------- Forwarded message ----------\nimportant", "", ""},
		"a word that begins so":  {"On Monday I wrote:\n\nthe printer is broken", "On Monday I wrote:\n\nthe printer is broken", "", ""},
		"dashes are no sign":     {"a\n---\nb", "a\n---\nb", "", ""},
		"nothing":                {"", "", "", ""},
		"blanks":                 {" \n\n ", "", "", ""},
	} {
		f := Fold(c.text, nil, nil)
		checkFolded(t, c.text, f)
		if f.Reply != c.reply || f.Quoted != c.quoted || f.Signature != c.signature {
			t.Errorf("%s: %+q", name, f)
		}
	}
}

func TestFoldHTML(t *testing.T) {
	t.Parallel()
	for name, html := range map[string]string{
		"gmail":       `<div dir="ltr">New</div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">On Mon, Mar 2, 2026 at 10:00 AM Ann &lt;<a href="mailto:ann@example.net">ann@example.net</a>&gt; wrote:<br></div><blockquote class="gmail_quote">old</blockquote></div>`,
		"thunderbird": `<p>New</p><div class="moz-cite-prefix">Am 02.03.26 um 10:00 schrieb Ann:<br></div><blockquote type="cite"><p>old</p></blockquote>`,
		"apple":       `<div>New</div><div><br><blockquote type="cite"><div>On 2 Mar 2026, at 10:00, Ann &lt;ann@example.net&gt; wrote:</div><br><div>old</div></blockquote></div>`,
		"outlook":     `<div>New</div><hr><div id="divRplyFwdMsg"><b>From:</b> Ann<br><b>Sent:</b> Monday<br><b>To:</b> Bob<br></div><div>old</div>`,
		"word":        `<p class="MsoNormal">New</p><div><div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in"><p><b>From:</b> Ann</p></div></div><p>old</p>`,
		"yahoo":       `<div>New</div><div class="yahoo_quoted"><div>On Monday, Ann wrote:</div><div>old</div></div>`,
		"proton":      `<div>New</div><div class="protonmail_quote">------- Original Message -------<br>old</div>`,
	} {
		text, spans := safehtml.Read(html)
		f := Fold(text, marks(spans), nil)
		checkFolded(t, text, f)
		if f.Reply != "New" || !strings.HasSuffix(f.Quoted, "old") {
			t.Errorf("%s: %+q of %q", name, f, text)
		}
	}
}
