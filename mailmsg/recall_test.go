package mailmsg

import (
	"slices"
	"strings"
	"testing"

	"postern/desk"
)

const (
	question = "Hello Ann,\n\nwe need two things to help you with the printer:\n\n1. Which model do you have, and since when?\n\n2. Does it print when it is switched off and on again?\n\nKind regards,\nBob Lee\nExample Support Ltd\nCity Road 1, Exampletown"
	answered = "On Mon, Mar 2, 2026 at 10:00 AM Bob Lee <bob@example.com> wrote:"
)

// TestFoldKnowsWhatWasSaid: what earlier messages of the ticket said is found without any pattern.
func TestFoldKnowsWhatWasSaid(t *testing.T) {
	t.Parallel()
	marked := "> " + strings.ReplaceAll(question, "\n", "\n> ")
	outlook := "From: Bob Lee\nSent: Monday, March 2, 2026 10:00 AM\nTo: Ann\nSubject: Printer\n\n"
	twoAnswers := strings.NewReplacer("since when?", "since when?\n\nAn Example 400, for two years", "on again?", "on again?\n\nNo, it does not").Replace(question)
	short := "Which model do you have, and since when?\n\nDoes it print when it is switched off and on again?"
	shortAnswers := strings.Replace(short, "since when?", "since when?\n\nAn Example 400", 1) + "\n\nthe red one, on the third floor"
	chinese := "您好，我们需要知道打印机的型号，以及它是什么时候购买的，谢谢。"
	for name, c := range map[string]struct {
		text, reply string
		said        []string
	}{
		"nothing of it is here":                           {"It works again.\n\nThank you very much for everything you did", "It works again.\n\nThank you very much for everything you did", []string{question}},
		"without any mark":                                {"An Example 400.\n\n" + question, "An Example 400.", []string{question}},
		"in lines of another length":                      {"An Example 400.\n\n" + strings.ReplaceAll(question, " ", "\n"), "An Example 400.", []string{question}},
		"below a header in a language that nobody taught": {"An Example 400.\n\nPrej: Bob Lee\nDatum: 2. 3. 2026 10:00\nZa: Ann\n\n" + question, "An Example 400.", []string{question}},
		"below an unknown introduction":                   {"An Example 400.\n\nBob Lee (bob@example.com) je napsao/la 2. 3. 2026:\n\n" + question, "An Example 400.", []string{question}},
		"marked, below an unknown introduction":           {"An Example 400.\n\nBob Lee (bob@example.com) je napsao/la 2. 3. 2026:\n\n" + marked, "An Example 400.", []string{question}},
		"in Chinese":                                      {"惠普打印机\n\n寄自：支持\n时刻：2026年3月2日 10:00\n\n" + chinese, "惠普打印机", []string{chinese}},
		"answers in an Outlook quote":                     {"See below.\n\n" + outlook + twoAnswers, "See below.\n\n" + outlook + strings.TrimSuffix(twoAnswers, twoAnswers[strings.Index(twoAnswers, "\n\nKind regards"):]), []string{question}},
		"an answer behind a marked line":                  {answered + "\n" + strings.Replace(marked, "since when?", "since when? An Example 400", 1), answered + "\n" + strings.Replace(marked[:strings.Index(marked, "\n> \n> 2.")], "since when?", "since when? An Example 400", 1), []string{question}},
		"no answers in an Outlook quote":                  {"See below.\n\n" + outlook + question + "\n\nScanned by something", "See below.", []string{question}},
		"numbers that a mailer put into a list":           {"See below.\n\n" + outlook + strings.NewReplacer("1. ", "", "2. ", "").Replace(question), "See below.", []string{strings.NewReplacer("1. ", "", "2. ", "").Replace(question)}},
		"lists that got numbers":                          {"See below.\n\n" + outlook + question, "See below.", []string{strings.NewReplacer("1. ", "", "2. ", "").Replace(question)}},
		"links that somebody rewrote":                     {"See below.\n\n" + outlook + "please look at https://safe.example/?u=x and tell us what you see there\n\nthanks a lot for all of it", "See below.", []string{"please look at https://example.com/a and tell us what you see there\n\nthanks a lot for all of it"}},
		"a signature they had before":                     {"And in blue, please.\n\nAnn Example\nHead of Machines, Customer Works\nMill Lane 5, Watertown", "And in blue, please.", []string{question, "Dear all,\n\nthe printer is broken\n\nAnn Example\nHead of Machines, Customer Works\nMill Lane 5, Watertown"}},
		"the same sentence once more":                     {"Nobody answers me.\n\nPlease tell me when the printer will be repaired at last", "Nobody answers me.\n\nPlease tell me when the printer will be repaired at last", []string{"Hi\n\nPlease tell me when the printer will be repaired at last"}},
		"somebody else's words, pasted":                   {"You wrote:\n\nDoes it print when it is switched off and on again?\n\nIt does not, and the lamp is red", "You wrote:\n\nDoes it print when it is switched off and on again?\n\nIt does not, and the lamp is red", []string{question}},
		"the same answer once more":                       {"An Example 400.\n\n" + answered + "\n" + marked, "An Example 400.", []string{"An Example 400.\n\n" + answered + "\n" + marked, question}},
		"a mail that quotes another's quote":              {"Good.\n\n" + answered + "\n> " + strings.ReplaceAll(answered+"\n"+marked+"\nAn Example 400, I think, or an older one", "\n", "\n> "), "Good.", []string{"An Example 400, I think, or an older one"}},
		"words that were cut in two":                      {"Good.\n\n" + answered + "\n" + strings.Replace(marked, "switched off", "switch\n> ed off", 1), "Good.", []string{question}},
		"own fields above words of theirs":                {"Here you are.\n\nModel: Example 400\nSerial: 12345\n\nDoes it print when it is switched off and on again?\n\nNo, it does not.", "Here you are.\n\nModel: Example 400\nSerial: 12345\n\nDoes it print when it is switched off and on again?\n\nNo, it does not.", []string{"Does it print when it is switched off and on again?"}},
		"own words below an Outlook quote":                {"See below.\n\n" + outlook + question + "\n\nIt does not print, and the lamp is red.\n\nFrom: Ann\nSent: Monday, March 2, 2026 9:00 AM\nTo: Bob\nSubject: Printer\n\nold words", "See below.\n\nIt does not print, and the lamp is red.", []string{question}},
		"an answer above their signature":                 {"See below.\n\n" + outlook + strings.Replace(question, "on again?", "on again?\n\nNo, it does not print at all.", 1), "See below.\n\n" + outlook + strings.Replace(question[:strings.Index(question, "\n\nKind regards")], "on again?", "on again?\n\nNo, it does not print at all.", 1), []string{question}},
		"what a company adds below":                       {"See below.\n\n" + outlook + question + "\n\nThis e-mail is confidential. If you are not the intended recipient, please delete it.", "See below.", []string{question}},
		"own words below an unknown header":               {"See below.\n\nPrej: Bob Lee\nDatum: 2. 3. 2026 10:00\n\n" + question + "\n\nIt does not, and the lamp is red.", "See below.\n\nIt does not, and the lamp is red.", []string{question}},
		"an answer below the last question":               {"See below.\n\n" + outlook + strings.Replace(twoAnswers, "No, it does not", "12", 1), "See below.\n\n" + outlook + strings.Replace(twoAnswers[:strings.Index(twoAnswers, "\n\nKind regards")], "No, it does not", "12", 1), []string{question}},
		"and nothing of theirs behind it":                 {"See below.\n\n" + outlook + shortAnswers + "\n\nFrom: Ann\nSent: Monday, March 2, 2026 9:00 AM\nTo: Bob\nSubject: Printer\n\nold words", "See below.\n\n" + outlook + shortAnswers, []string{short}},
		"facts once more":                                 {"You have not understood me, I return only these two now:\n\nExample lamp 400, blue, number 4711\nExample lamp 500, red, number 4712", "You have not understood me, I return only these two now:\n\nExample lamp 400, blue, number 4711\nExample lamp 500, red, number 4712", []string{"I return these:\n\nExample lamp 400, blue, number 4711\nExample lamp 500, red, number 4712"}},
		"facts that somebody else had":                    {"I return only these two now.\n\nExample Support Ltd\nCity Road 1, Exampletown", "I return only these two now.\n\nExample Support Ltd\nCity Road 1, Exampletown", []string{question}},
		"the same mail once more":                         {question, question[:strings.Index(question, "\n\nKind regards")], []string{question}},
		"an answer to an answer":                          {"Good.\n\n" + outlook + twoAnswers + "\n\n" + outlook + question, "Good.", []string{twoAnswers, question}},
	} {
		var earlier []desk.Said
		for _, s := range c.said {
			earlier = append(earlier, desk.Said{Reply: s, Text: s, SameAuthor: s != question})
		}
		f := Fold(c.text, nil, earlier)
		checkFolded(t, c.text, f)
		if f.Reply != c.reply {
			t.Errorf("%s: the reply is %q, want %q", name, f.Reply, c.reply)
		}
	}
}

// TestFoldKnowsAnswersInMarkedHTML: words that somebody wrote into a quote are new, although the HTML marks all of it.
func TestFoldKnowsAnswersInMarkedHTML(t *testing.T) {
	t.Parallel()
	html := func(answer string) string {
		return "<p>Below.</p><blockquote type=\"cite\"><p>Which model do you have, and since when is it broken?</p>" + answer + "<p>Does it print when it is switched off and on again?</p><p>Bob Lee</p></blockquote>"
	}
	m := parse(t, "From: ann@example.net\nContent-Type: text/html\n\n"+html(`<p style="color:red">An Example 400</p>`))
	said := parse(t, "From: bob@example.com\nContent-Type: text/html\n\n<p>Which model do you have, and since when is it broken?</p><p>Does it print when it is switched off and on again?</p><p>Bob Lee</p>")
	if m.Reply != "Below." {
		t.Errorf("without the earlier message the reply is %q", m.Reply)
	}
	f := Fold(m.Text, m.Marks, []desk.Said{{Reply: said.Reply, Text: said.Text}})
	checkFolded(t, m.Text, f)
	if !strings.Contains(f.Reply, "An Example 400") || !strings.Contains(f.Reply, "Which model") || strings.Contains(f.Reply, "switched off") {
		t.Errorf("the reply is %q", f.Reply)
	}
	plain := parse(t, "From: ann@example.net\nContent-Type: text/html\n\n"+html(""))
	if f := Fold(plain.Text, plain.Marks, []desk.Said{{Reply: said.Reply, Text: said.Text}}); f.Reply != "Below." {
		t.Errorf("without answers the reply is %q", f.Reply)
	}
}

// TestWordsAreThoseThatPeopleRead: links are left out, and so is how a text is written.
func TestWordsAreThoseThatPeopleRead(t *testing.T) {
	t.Parallel()
	words := func(text string) (out []uint64) {
		eachWord(text, func(sum uint64, _ bool) { out = append(out, sum) })
		return out
	}
	for text, same := range map[string]string{
		"see https://example.com/x?y=1 there":        "see there",
		"ann@example.com<mailto:ann@example.com> is": "ann example com is",
		"(www.example.com) or www.example.com":       "or",
		"an image [cid:1234@x] here\nwww":            "an image here www",
		"Straße, ÄRGER; 12":                          "straße ärger 12",
		"看https://example.com 这里":                    "看 这 里",
		"印刷A4机":                                      "印 刷 a4 机",
		"> a\u00a0b\r\n> c":                          "a b c",
		"ends with https:":                           "ends with https",
		"":                                           "", " ,;:.": "", "://": "", "x://": "",
	} {
		if got, want := words(text), words(same); !slices.Equal(got, want) || len(want) != len(strings.Fields(same)) {
			t.Errorf("%q has %d words, not the %d of %q", text, len(got), len(want), same)
		}
	}
	for text, want := range map[string]bool{"7": true, "42": true, "400": false, "4a": false, "٤": true} {
		eachWord(text, func(_ uint64, number bool) {
			if number != want {
				t.Errorf("%q is a number: %t", text, number)
			}
		})
	}
}
