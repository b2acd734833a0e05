package mailmsg

import (
	"strings"
	"unicode"

	"postern/safehtml"
)

const (
	// maxStub is how long a text may be that stands for its HTML.
	maxStub = 1000
	// A text is a stub if the HTML has so many words for each of its own, and some more.
	stubRatio  = 5
	stubMargin = 20
	// Or if it has hardly any of the HTML's words, which are so many more at least.
	stubWords = 3
	// maxNotice is how many words a note may have that the mail is to be read elsewhere.
	maxNotice = 60
)

// readAlternatives gives the text of a mail that has HTML as well. Most say the same twice, and the text is taken as it is. But
// mailers also write as text that the mail is to be read elsewhere, or next to nothing; then the HTML is read. Nothing
// can be hidden so: a text whose words are not all in the HTML is put before it, and one that says only where to read the mail is among
// the mail's reasons.
func (p *parser) readAlternatives(text, html string) (string, []safehtml.Span) {
	if strings.TrimSpace(text) == "" {
		return safehtml.Read(html)
	}
	if len(text) > maxStub || clearlySame(text, html) {
		return text, nil
	}
	shown, spans := safehtml.Read(html)
	own, missing := compareWords(text, shown)
	all, more := compareWords(shown, text)
	little := all > own*stubRatio+stubMargin
	different := more > 0 && (own == 0 || missing*2 > own)
	notice := (little || different) && own <= maxNotice && onlyElsewhere(text)
	different = different && (more >= stubWords || notice)
	switch {
	case !little && !different:
		return text, nil
	case missing == 0 && othersIn(text, shown, html):
		return shown, spans
	case notice:
		p.mail.Reasons = append(p.mail.Reasons, "the text beside its HTML says only: "+strings.Join(strings.Fields(text), " "))
		return shown, spans
	}
	text += "\n\n"
	for i := range spans {
		spans[i].Start += len(text)
		spans[i].End += len(text)
	}
	return text + shown, spans
}

// clearlySame tells whether a look at the HTML is enough to know that the text is no stub: the longest words are there, and hardly
// more than the text says.
func clearlySame(text, html string) bool {
	var longest [3]string
	for word := range strings.FieldsSeq(text) {
		word = strings.Trim(word, ".,;:!?()<>\"'*_-")
		for i, have := range longest {
			if len(word) > len(have) && word != have {
				longest[i], word = word, have
			}
		}
	}
	for _, word := range longest {
		if len(word) < 4 || !strings.Contains(html, word) {
			return false
		}
	}
	shown := 0
	for html != "" && shown <= stubRatio*len(text) {
		end := strings.IndexByte(html, '<')
		if end < 0 {
			end = len(html)
		}
		shown += end
		_, html, _ = strings.Cut(html[end:], ">")
	}
	return shown <= stubRatio*len(text)
}

// compareWords counts the words of a text, and those of them that another has not.
func compareWords(text, other string) (own, missing int) {
	there := map[uint64]bool{}
	eachWord(other, func(sum uint64, _ bool) { there[sum] = true })
	eachWord(text, func(sum uint64, _ bool) {
		own++
		if !there[sum] {
			missing++
		}
	})
	return own, missing
}

// othersIn tells whether what a text has beside words is shown too: its symbols, and its links, which may be behind the words.
func othersIn(text, shown, html string) bool {
	for chunk := range strings.FieldsSeq(text) {
		if containsAny(chunk, []string{"://", "mailto:", "cid:", "www."}) {
			if !strings.Contains(html, strings.Trim(chunk, "<>()[].,;")) {
				return false
			}
		} else if strings.ContainsFunc(chunk, unicode.IsSymbol) && !strings.Contains(shown, chunk) {
			return false
		}
	}
	return true
}

// onlyElsewhere tells whether each sentence of a text, but for links, is about how to read the mail.
func onlyElsewhere(text string) bool {
	var words []string
	for word := range strings.FieldsSeq(text) {
		if !strings.Contains(word, "://") && !strings.HasPrefix(word, "www.") {
			words = append(words, word)
		}
	}
	notes := 0
	for sentence := range strings.FieldsFuncSeq(strings.Join(words, " "), func(r rune) bool { return strings.ContainsRune(".!?;。！？", r) }) {
		if !strings.ContainsFunc(sentence, unicode.IsLetter) {
			continue
		}
		switch {
		case elsewhere(sentence):
			notes++
		case !containsAny(strings.ToLower(sentence), noHTMLWords):
			return false
		}
	}
	return notes > 0
}

// elsewhere tells whether a text says that the mail is HTML, or is to be read in a browser.
func elsewhere(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "html") && containsAny(text, noHTMLWords) || containsAny(text, browserWords)
}

// browserWords send readers to a web page.
var browserWords = []string{
	"view in browser", "view in a browser", "view in your browser", "in your browser", "in your web browser", "in a browser", "view online", "read online", "im browser", "in ihrem browser", "online ansehen", "online-version", "dans votre navigateur",
	"version en ligne", "en su navegador", "en tu navegador", "nel browser", "nel tuo browser", "no seu navegador", "no navegador", "in uw browser", "in je browser", "w przeglądarce", "i din webbläsare", "i webbläsaren", "i din browser", "i nettleseren", "в браузере", "у браузері", "v prohlížeči", "selaimessa", "tarayıcı", "ブラウザ", "浏览器", "瀏覽器", "브라우저",
}

// noHTMLWords stand beside "HTML" where a mailer says that there is no text.
var noHTMLWords = []string{
	"message", "mail", "view", "client", "support", "nachricht", "programm", "unterstütz", "messagerie", "logiciel", "mensaje", "correo", "messaggio", "posta", "mensagem", "correio", "bericht", "wiadomo", "poczt", "meddelande", "besked", "melding",
	"viesti", "zpráv", "сообщени", "письм", "повідомлен", "邮件", "郵件", "メール", "메일",
}
