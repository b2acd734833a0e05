package mailmsg

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"postern/desk"
)

// Bounces that have no machine-readable part. Every mail system words them in its own way, and they agree in this: a mail
// system sends them, they say that something was not delivered, name the recipients one to a line or within that sentence,
// and have the server's reply near by. So that is what is read here, and not one format after the other.

const (
	maxExplanation = 64 << 10 // bytes of a text that are read as a bounce's
	maxPlaces      = 200      // at which it may name somebody
)

// address is one in running text; what may not stand in it is what people put around it.
const address = `([^\s<>()\[\]:;,="'@]{1,200}@[^\s<>()\[\]:;,="'@]{1,200})`

var (
	enhancedStatus = regexp.MustCompile(`(?:^|[^\d.])([245]\.\d{1,3}\.\d{1,3})(?:$|[^\d.]|\.(?:$|\D))`)
	replyCode      = regexp.MustCompile(`\b(421|45[0-5]|5(?:0[0-4]|21|3[0-5]|5[0-6]))(?:[ -]|$)`)

	textID = regexp.MustCompile(`(?im)^[>\s]*(?:original[- ])?message[- ]id\s*:?\s*(<[^<>\n]{1,500}>)`)
	// copyBegins finds where a bounce goes on with the mail it is about.
	copyBegins = regexp.MustCompile(`(?im)^[^\n]{0,40}(?:below this line is a copy|(?:this|here|following|below) is a copy of|copy of (?:the|your) (?:original )?message|original message(?:\s*-|:?\s*$| follows| headers| header)|` +
		`header of the original|headers of the original|returned message|unsent message|message headers? follows?|received: from |return-path: )`)

	leadingAddress = regexp.MustCompile(`^(?:[\s*•<"'(\[-]|\d{1,3}[.)] |(?i:smtp:|mailto:|rfc822;))*` + address)
	namedAddress   = regexp.MustCompile(`(?i)^[\s*-]*(?:[\pL-]+ ){0,2}(?:recipients?|recipient address|address|user|empfänger|destinataire|destinatario|destinatário|ontvanger|получатель|收件人|受信者)\s*:\s.{0,80}@`)
	toLine         = regexp.MustCompile(`(?i)^[\s*-]*to\s*:\s.{0,80}@`)
	anyAddress     = regexp.MustCompile(address)
)

// enhanced finds an enhanced status code (RFC 3463 section 2); an IP address is none.
func enhanced(v string) string {
	if hit := enhancedStatus.FindStringSubmatch(v); hit != nil {
		return hit[1]
	}
	return ""
}

// statusOfReply gives the enhanced status code that says what an SMTP reply code says (RFC 5321 section 4.2.3): no more than
// its class for most.
func statusOfReply(v string) string {
	hit := replyCode.FindStringSubmatch(v)
	if hit == nil {
		return ""
	}
	switch code := hit[1]; code {
	case "421":
		return "4.3.2"
	case "452":
		return "4.3.1"
	case "551":
		return "5.1.6"
	case "552":
		return "5.2.2"
	case "553":
		return "5.1.3"
	case "556":
		return "5.1.10"
	default:
		return code[:1] + ".0.0"
	}
}

// statusOfWords gives the status code of what mail systems say where they give no code.
func statusOfWords(text string) string {
	text = strings.ToLower(text)
	for _, known := range []struct{ status, words string }{
		{"5.1.2", "unrouteable address|host unknown|unknown host|host not found|domain not found|couldn't find any host|domain name not found|name service error"},
		{"5.1.1", "user unknown|unknown user|no such user|no mailbox here|address not found|address couldn't be found|address couldn’t be found|does not exist|doesn't exist|doesn’t exist|" +
			"user not listed|not listed in|user not found|wasn't found|wasn’t found|unknown address|invalid recipient|unknown recipient|recipient unknown|" +
			"existiert nicht|empfänger unbekannt|unbekannter empfänger|n'existe pas|destinataire inconnu|no existe|usuario desconocido|non esiste|utente sconosciuto|não existe|bestaat niet|onbekende gebruiker|" +
			"nie istnieje|neexistuje|не существует|пользователь не найден|не існує|不存在|存在しません|見つかりません"},
		{"5.2.2", "mailbox full|mailbox is full|inbox is full|over quota|quota exceeded|disk quota|exceeds allowed size|storage limit|" +
			"postfach ist voll|postfach voll|boîte aux lettres pleine|boîte est pleine|quota dépassé|buzón está lleno|buzón lleno|casella piena|casella è piena|caixa de correio cheia|postvak is vol|mailbox is vol|" +
			"skrzynka jest pełna|skrzynka pełna|переполнен|已满|已滿|空间不足|容量を超え|いっぱい"},
		{"5.2.1", "mailbox disabled|account is disabled|account has been disabled|mailbox is inactive"},
		{"5.3.4", "message too large|message is too large|exceeds the maximum message size|size limit"},
		{"5.4.6", "too many hops|mail loop|loop detected"},
		{"5.4.7", "too long in the queue|in the queue too long|delivery time expired|retry timeout exceeded|retry time not reached"},
		{"4.4.1", "timed out|connection refused|no route to host|did not accept our requests to connect"},
		{"5.7.1", "relaying denied|relay access denied|not permitted to relay|message blocked|access denied|not authorized"},
	} {
		for words := range strings.SplitSeq(known.words, "|") {
			if strings.Contains(text, words) {
				return known.status
			}
		}
	}
	return ""
}

// fromMailSystem tells whether a mail comes from where bounces come from: who writes as that, or leaves no way back.
func (p *parser) fromMailSystem(h header) bool {
	return daemon(p.mail.From.Email) || p.mail.NullReturnPath || h.has("x-failed-recipients") || h.has("x-ms-exchange-message-is-ndr")
}

// daemon tells whether mail systems write bounces under an address.
func daemon(email string) bool {
	local := desk.LocalPart(email)
	switch local {
	case "mailer-daemon", "mailerdaemon", "mailer_daemon", "mail-daemon", "mail.daemon", "mdaemon", "postmaster":
		return true
	}
	return strings.HasPrefix(local, "microsoftexchange")
}

// explanation is the text that may be a bounce's.
func (p *parser) explanation() string { return p.mail.Text[:min(len(p.mail.Text), maxExplanation)] }

// late tells whether the text is a notice that a mail is still being tried.
func (p *parser) late() bool {
	text := p.explanation()
	if at := copyBegins.FindStringIndex(text); at != nil {
		text = text[:at[0]]
	}
	return speaksOf(text, delayWords)
}

// textBounce reads a bounce from the header that Exim and Gmail write, and from its text. The subject counts only beside a
// recipient that the text names.
func (p *parser) textBounce(h header) bool {
	if !p.fromMailSystem(h) {
		return false
	}
	m := &p.mail
	said, about := p.explanation(), ""
	if at := copyBegins.FindStringIndex(said); at != nil {
		said, about = said[:at[0]], said[at[0]:]
	}
	failed := addressField(h, "x-failed-recipients")
	late := speaksOf(said, delayWords)
	found := textRecipients(said, append(slices.Clone(m.To), m.From))
	words := late || speaksOf(said, failureWords)
	switch {
	case len(failed) > 0 || p.reports.dsn || p.reports.typ == "delivery-status":
	case words && (daemon(m.From.Email) || len(found) > 0):
	case daemon(m.From.Email) && speaksOf(m.Subject, subjectWords) && (len(found) > 0 || about != "" || p.reports.enclosed != ""):
	default:
		return false
	}
	if len(failed) > 0 {
		found = slices.DeleteFunc(found, func(b desk.BouncedRecipient) bool {
			return !slices.ContainsFunc(failed, func(a desk.Address) bool { return a.Email == b.Address })
		})
	}
	var shared desk.BouncedRecipient // what the text says of them all; read once, for there may be many
	if len(failed) > 0 {
		shared = because("", said, hintsIn(said))
	}
	for _, a := range failed {
		if !slices.ContainsFunc(found, func(b desk.BouncedRecipient) bool { return a.Email == b.Address }) {
			shared.Address = a.Email
			found = append(found, shared)
		}
	}
	for _, b := range found {
		b.Action = actionFailed
		if late {
			b.Action = actionDelayed
			if _, detail, ok := strings.Cut(b.Status, "."); ok {
				b.Status = "4." + detail // it may yet succeed
			}
		}
		p.bounced(b)
	}
	return true
}

// textRecipients finds those whom a bounce's text names, each with what is said about it: those that begin a line, else those
// behind a name such as "Recipient:", else those in a sentence or a reply about what failed, else those of a To line. Who wrote the bounce and
// whom it went to are none.
func textRecipients(text string, but []desk.Address) []desk.BouncedRecipient {
	type place struct {
		email     string
		from, end int // where what is said about it begins, and where its line begins
	}
	var leading, named, within, to []place
	at := 0
	for line := range strings.SplitAfterSeq(text, "\n") {
		begin := at
		at += len(line)
		if !strings.Contains(line, "@") {
			continue
		}
		add := func(to *[]place, hit []int, from int) {
			email, ok := desk.NormalizeEmail(strings.TrimRight(line[hit[2]:hit[3]], ".!?"))
			if !ok || daemon(email) || len(*to) == maxPlaces || slices.ContainsFunc(but, func(a desk.Address) bool { return a.Email == email }) {
				return
			}
			*to = append(*to, place{email, from, begin})
		}
		if hit := leadingAddress.FindStringSubmatchIndex(line); hit != nil {
			add(&leading, hit, begin+hit[1])
			continue
		}
		if namedAddress.MatchString(line) {
			for _, hit := range anyAddress.FindAllStringSubmatchIndex(line, 50) {
				add(&named, hit, at)
			}
			continue
		}
		if toLine.MatchString(line) {
			for _, hit := range anyAddress.FindAllStringSubmatchIndex(line, 50) {
				add(&to, hit, at)
			}
			continue
		}
		if replyCode.MatchString(line) || speaksOf(line, failureWords) || speaksOf(line, delayWords) || speaksOf(line, "rcpt to|addressed to") {
			for _, hit := range anyAddress.FindAllStringSubmatchIndex(line, 50) {
				add(&within, hit, begin)
			}
		}
	}
	places := leading
	if len(places) == 0 {
		places = named
	}
	if len(places) == 0 {
		places = within
	}
	if len(places) == 0 {
		places = to
	}
	var out []desk.BouncedRecipient
	index := map[string]int{}
	var whole hints
	if !slices.ContainsFunc(places, func(pl place) bool { return pl.email != places[0].email }) { // else it may be about another one
		whole = hintsIn(text)
	}
	for i, pl := range places {
		end := len(text)
		for _, next := range places[i+1:] {
			if next.end > pl.end && next.email != pl.email {
				end = next.end
				break
			}
		}
		b := because(pl.email, text[pl.from:max(pl.from, end)], whole)
		first, again := index[pl.email]
		switch {
		case !again:
			index[pl.email] = len(out)
			out = append(out, b)
		case enhanced(out[first].Diagnostic) == "" && enhanced(b.Diagnostic) != "":
			out[first] = b // a transcript tells more than a list
		}
	}
	return out
}

// because gives a recipient with the reason that is said about it: the first paragraph that has a code in it, else the
// first. Where it has no code, the whole text may have one, if it is about nobody else.
func because(email, said string, whole hints) desk.BouncedRecipient {
	said = said[:min(len(said), 4<<10)]
	why, found := "", false
	for part := range strings.SplitSeq(said, "\n\n") {
		part = strings.Trim(strings.Join(strings.Fields(part), " "), ">;,. ")
		coded := enhanced(part) != "" || replyCode.MatchString(part)
		if coded || why == "" && !strings.HasSuffix(part, ":") {
			why = strings.TrimLeft(part, ">:;,. ")
		}
		if found = coded; found {
			break
		}
	}
	if !found {
		why = cmp.Or(whole.line, why)
	}
	why = diagnostic(strings.ToValidUTF8(why, ""))
	return desk.BouncedRecipient{Address: email, Diagnostic: why, Status: cmp.Or(enhanced(why), whole.enhanced, statusOfReply(why), whole.reply, statusOfWords(why), whole.words)}
}

// hints are what a whole text tells, for those about whom it says nothing closer.
type hints struct{ line, enhanced, reply, words string }

func hintsIn(text string) hints {
	return hints{codedLine(text), enhanced(text), statusOfReply(text), statusOfWords(text)}
}

// codedLine gives the line of a text that has a server's reply in it.
func codedLine(text string) string {
	for line := range strings.SplitSeq(text, "\n") {
		if replyCode.MatchString(line) && (enhanced(line) != "" || strings.ContainsAny(line, "<@'\"")) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// speaksOf tells whether a text has one of the phrases, which are in lower case and separated by "|", however its lines are
// broken.
func speaksOf(text, phrases string) bool {
	text = strings.ReplaceAll(strings.ToLower(strings.Join(strings.Fields(text), " ")), "’", "'")
	for phrase := range strings.SplitSeq(phrases, "|") {
		if strings.Contains(text, phrase) {
			return true
		}
	}
	return false
}

// failureWords are how mail systems say that they did not deliver a mail.
const failureWords = "could not be delivered|couldn't be delivered|cannot be delivered|can't be delivered|not be delivered|wasn't delivered|was not delivered|not been delivered|" +
	"unable to deliver|wasn't able to deliver|not able to deliver|could not deliver|undeliverable|undelivered|delivery failed|delivery has failed|delivery failure|failed to deliver|failed permanently|" +
	"permanent error|permanent fatal errors|did not reach|could not be reached|couldn't be reached|qmail-send program|mail delivery software|trying to deliver the mail|" +
	"delivery notifications -----|returned to sender|user unknown|unknown user|no such user|address not found|message not delivered|message blocked|was rejected|not delivered to|could not be sent|" +
	"nicht zugestellt|unzustellbar|nicht übermittelt|fehler bei der zustellung|zustellung ist fehlgeschlagen|" +
	"n'a pas pu être|n'a pas été remis|échec de la remise|non remis|impossible de remettre|" +
	"no se pudo entregar|no se ha podido entregar|no se puede entregar|no se entregó|no se pudo enviar|error en la entrega|" +
	"mancato recapito|non è stato recapitato|impossibile recapitare|non è stato possibile recapitare|non è stato possibile consegnare|" +
	"não foi possível entregar|não foi entregue|não pôde ser entregue|falha na entrega|" +
	"niet worden bezorgd|niet bezorgd|niet worden afgeleverd|niet afgeleverd|onbestelbaar|" +
	"nie można dostarczyć|nie została dostarczona|nie dostarczono|nie powiodło się dostarczenie|nelze doručit|nebyla doručena|nepodařilo doručit|nem sikerült kézbesíteni|" +
	"kunde inte levereras|inte levererats|kunne ikke leveres|ikke levert|ei voitu toimittaa|teslim edilemedi|δεν ήταν δυνατή η παράδοση|" +
	"не было доставлено|не доставлено|не удалось доставить|не может быть доставлено|не вдалося доставити|" +
	"配信できません|配信不能|配信できなかった|届けられません|お届けできません|送信できません|无法投递|无法送达|未送达|投递失败|退信|無法傳遞|無法投遞|無法送達|전송하지 못|배달하지 못|반송"

// delayWords are how they say that they still try.
const delayWords = "has not yet been delivered|hasn't been delivered yet|not yet delivered|still being retried|will be retried|will retry for|will keep trying|continue to try|delivery attempts will continue|" +
	"this is a warning message only|this is a warning only|do not need to resend|don't need to resend|no action is required on your part|temporary problem delivering|temporarily delayed|delivery is delayed|" +
	"delivery to the following recipients has been delayed|delivery incomplete|still undelivered after|has been delayed|noch nicht zugestellt|verzögert|weiterhin versucht|n'a pas encore été|est retardé|" +
	"todavía no se ha entregado|se ha retrasado|non è ancora stato|è in ritardo|ainda não foi entregue|nog niet bezorgd|is vertraagd|еще не доставлено|ещё не доставлено|доставка задерживается|配信が遅|延迟|延遲"

// subjectWords are in the subjects of bounces.
const subjectWords = "undeliver|delivery failure|delivery status notification|mail delivery failed|delivery failed|returned mail|failure notice|delivery notification|mail system error|" +
	"unzustellbar|nicht zugestellt|non remis|non distribu|no se puede entregar|no entregado|mancato recapito|não entregue|onbestelbaar|niet bezorgd|niedostarczon|nedoruč|" +
	"не доставлено|недоставлен|配信不能|配信できません|退信"
