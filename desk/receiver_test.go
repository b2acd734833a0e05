package desk_test

import (
	"strings"
	"testing"

	"postern/desk"
)

// said is an Authentication-Results field with one result of DMARC.
func said(id string, below int, result, from string) desk.AuthResults {
	return desk.AuthResults{ServID: id, Below: below, Results: []desk.AuthResult{
		{Method: "spf", Result: "pass", Props: []desk.AuthProp{{Name: "smtp.mailfrom", Value: "customer.example"}}},
		{Method: "dmarc", Result: result, Props: []desk.AuthProp{{Name: "header.from", Value: from}}},
	}}
}

type vouchCase struct {
	receiver desk.Receiver
	change   func(m *desk.Mail)
	fields   []desk.AuthResults
	want     bool
	says     string // a part of the reason
}

func checkVouches(t *testing.T, cases map[string]vouchCase) {
	t.Helper()
	for name, c := range cases {
		m := desk.Mail{From: desk.Address{Name: "Ann", Email: "ann@customer.example"}, AuthResults: c.fields, Class: desk.Human}
		if c.change != nil {
			c.change(&m)
		}
		if got, why := c.receiver.Vouches(m); got != c.want || !strings.Contains(why, c.says) || why == "" {
			t.Errorf("%s: %t, %q", name, got, why)
		}
	}
}

var (
	pinned    = desk.Receiver{AuthServID: "mx.acme.example"}
	behindTwo = desk.Receiver{Profile: desk.RFC8601, AuthServID: "mx.acme.example", Hops: 2}
	microsoft = desk.Receiver{Profile: desk.M365}
)

func TestA1_A2_OnlyTheOneFromLineIsVouchedFor(t *testing.T) {
	t.Parallel()
	pass := []desk.AuthResults{said("mx.acme.example", 0, "pass", "customer.example")}
	checkVouches(t, map[string]vouchCase{
		"A1 From":                   {pinned, nil, pass, true, "mx.acme.example vouches for customer.example"},
		"A1 Reply-To is no sender":  {pinned, func(m *desk.Mail) { m.From.Email, m.ReplyTo = "eve@evil.example", []desk.Address{m.From} }, pass, false, "not for evil.example"},
		"A2 more than one sender":   {pinned, func(m *desk.Mail) { m.From, m.FromUnsure = desk.Address{}, true }, pass, false, "does not say clearly"},
		"A2 read in two ways":       {pinned, func(m *desk.Mail) { m.FromUnsure = true }, pass, false, "does not say clearly"},
		"A2 a header of two minds":  {pinned, func(m *desk.Mail) { m.HeaderUnsure = true }, pass, false, "more than one way"},
		"A2 nobody":                 {pinned, func(m *desk.Mail) { m.From = desk.Address{} }, []desk.AuthResults{said("mx.acme.example", 0, "pass", "")}, false, "does not say clearly"},
		"A2 two readers, with DKIM": {desk.Receiver{DKIM: true}, func(m *desk.Mail) { m.FromUnsure, m.DKIM = true, desk.DKIM{Holds: true, Reason: "holds"} }, nil, false, "does not say clearly"},
	})
}

func TestA3_OnlyTheReceiversOwnResultCounts(t *testing.T) {
	t.Parallel()
	const mx, own = "mx.acme.example", "customer.example"
	two := said(mx, 0, "fail", own)
	two.Results = append(two.Results, said(mx, 0, "pass", own).Results...)
	broken := said(mx, 0, "pass", own)
	broken.Broken = true
	twice := said(mx, 0, "pass", own)
	twice.Results[1].Props = append(twice.Results[1].Props, desk.AuthProp{Name: "header.from", Value: "evil.example"})
	spf := said(mx, 0, "pass", own)
	spf.Results = spf.Results[:1]
	checkVouches(t, map[string]vouchCase{
		"pass":                              {pinned, nil, []desk.AuthResults{said(mx, 0, "pass", own)}, true, "dmarc=pass"},
		"pass, header.from in capitals":     {pinned, nil, []desk.AuthResults{said(mx, 0, "pass", "Customer.Example.")}, true, "dmarc=pass"},
		"pass, the whole address":           {pinned, nil, []desk.AuthResults{said(mx, 0, "pass", "ann@customer.example")}, true, "dmarc=pass"},
		"pass, header.from in letters":      {pinned, func(m *desk.Mail) { m.From.Email = "ann@xn--bcher-kva.example" }, []desk.AuthResults{said(mx, 0, "pass", "Bücher.example")}, true, "dmarc=pass"},
		"pass, an address in letters":       {pinned, func(m *desk.Mail) { m.From.Email = "ann@xn--bcher-kva.example" }, []desk.AuthResults{said(mx, 0, "pass", "ann@bücher.example")}, true, "dmarc=pass"},
		"pass for letters that look alike":  {pinned, func(m *desk.Mail) { m.From.Email = "ann@xn--bcher-kva.example" }, []desk.AuthResults{said(mx, 0, "pass", "bü\u0441her.example")}, false, "vouches for"},
		"pass for letters, and no sender":   {pinned, func(m *desk.Mail) { m.From.Email = "ann" }, []desk.AuthResults{said(mx, 0, "pass", "bücher")}, false, "vouches for"},
		"unpinned":                          {desk.Receiver{}, nil, []desk.AuthResults{said(mx, 0, "pass", own), said("", 0, "pass", own)}, false, "trusts no receiver"},
		"nothing":                           {pinned, nil, nil, false, "wrote nothing"},
		"somebody else's":                   {pinned, nil, []desk.AuthResults{said("mx.evil.example", 0, "pass", own)}, false, "wrote nothing"},
		"a name that begins so":             {pinned, nil, []desk.AuthResults{said(mx+".evil.example", 0, "pass", own)}, false, "wrote nothing"},
		"one without a name":                {pinned, nil, []desk.AuthResults{said("", 0, "pass", own)}, false, "wrote nothing"},
		"forged, below a Received":          {pinned, nil, []desk.AuthResults{said(mx, 1, "pass", own)}, false, "too far down"},
		"fail, and a forged pass below":     {pinned, nil, []desk.AuthResults{said(mx, 0, "fail", own), said(mx, 0, "pass", own)}, false, "dmarc=fail"},
		"others above it don't matter":      {pinned, nil, []desk.AuthResults{said("filter.example", 0, "fail", own), said(mx, 0, "pass", own)}, true, "dmarc=pass"},
		"behind two servers":                {behindTwo, nil, []desk.AuthResults{said(mx, 2, "pass", own)}, true, "dmarc=pass"},
		"behind fewer than there can be":    {behindTwo, nil, []desk.AuthResults{said(mx, 1, "pass", own)}, true, "dmarc=pass"},
		"behind one more":                   {behindTwo, nil, []desk.AuthResults{said(mx, 3, "pass", own)}, false, "too far down"},
		"fail":                              {pinned, nil, []desk.AuthResults{said(mx, 0, "fail", own)}, false, "dmarc=fail"},
		"none":                              {pinned, nil, []desk.AuthResults{said(mx, 0, "none", own)}, false, "dmarc=none"},
		"best guess":                        {pinned, nil, []desk.AuthResults{said(mx, 0, "bestguesspass", own)}, false, "dmarc=bestguesspass"},
		"pass for another domain":           {pinned, nil, []desk.AuthResults{said(mx, 0, "pass", "evil.example")}, false, `vouches for "evil.example"`},
		"pass for the domain above":         {pinned, func(m *desk.Mail) { m.From.Email = "ann@mail.customer.example" }, []desk.AuthResults{said(mx, 0, "pass", own)}, false, "not for mail.customer.example"},
		"pass for nobody named":             {pinned, nil, []desk.AuthResults{said(mx, 0, "pass", "")}, false, "vouches for"},
		"pass for two":                      {pinned, nil, []desk.AuthResults{twice}, false, "vouches for"},
		"SPF alone":                         {pinned, nil, []desk.AuthResults{spf}, false, "nothing of DMARC"},
		"a sender's text got into it":       {pinned, nil, []desk.AuthResults{two}, false, "more than one thing"},
		"it does not end":                   {pinned, nil, []desk.AuthResults{broken}, false, "can't be read for sure"},
		"not rescued by DKIM if it fails":   {desk.Receiver{AuthServID: mx, DKIM: true}, func(m *desk.Mail) { m.DKIM = desk.DKIM{Holds: true, Reason: "holds"} }, []desk.AuthResults{said(mx, 0, "fail", own)}, false, "dmarc=fail"},
		"not taken for M365 without a name": {microsoft, nil, []desk.AuthResults{said(mx, 0, "pass", own)}, false, "Microsoft 365 wrote nothing"},
	})
}

func TestA4_Microsoft365IsKnownByItsPlaceAlone(t *testing.T) {
	t.Parallel()
	const own = "customer.example"
	compauth := desk.AuthResults{Results: []desk.AuthResult{{Method: "dmarc", Result: "none", Props: []desk.AuthProp{{Name: "header.from", Value: own}}}, {Method: "compauth", Result: "pass"}}}
	checkVouches(t, map[string]vouchCase{
		"pass":                       {microsoft, nil, []desk.AuthResults{said("", 3, "pass", own)}, true, "Microsoft 365 vouches for customer.example"},
		"fail, a forged pass below":  {microsoft, nil, []desk.AuthResults{said("", 3, "fail", own), said("", 3, "pass", own)}, false, "dmarc=fail"},
		"another one above":          {microsoft, nil, []desk.AuthResults{said("mx.example", 0, "pass", own), said("", 3, "pass", own)}, false, "wrote nothing"},
		"best guess":                 {microsoft, nil, []desk.AuthResults{said("", 3, "bestguesspass", own)}, false, "dmarc=bestguesspass"},
		"none":                       {microsoft, nil, []desk.AuthResults{said("", 3, "none", own)}, false, "dmarc=none"},
		"compauth alone":             {microsoft, nil, []desk.AuthResults{compauth}, false, "dmarc=none"},
		"pass for another domain":    {microsoft, nil, []desk.AuthResults{said("", 3, "pass", "evil.example")}, false, "not for customer.example"},
		"nothing":                    {microsoft, nil, nil, false, "wrote nothing"},
		"no name, pinned to another": {pinned, nil, []desk.AuthResults{said("", 0, "pass", own)}, false, "mx.acme.example wrote nothing"},
	})
}

func TestA7_DKIMStandsInWhereTheReceiverWroteNothing(t *testing.T) {
	t.Parallel()
	holds := func(m *desk.Mail) { m.DKIM = desk.DKIM{Holds: true, Reason: "a signature holds"} }
	fails := func(m *desk.Mail) { m.DKIM = desk.DKIM{Reason: "it does not hold"} }
	alone, beside := desk.Receiver{DKIM: true}, desk.Receiver{AuthServID: "mx.acme.example", DKIM: true}
	forged := []desk.AuthResults{said("mx.acme.example", 1, "pass", "customer.example")}
	checkVouches(t, map[string]vouchCase{
		"holds":                   {alone, holds, nil, true, "a signature holds"},
		"does not":                {alone, fails, nil, false, "it does not hold"},
		"not looked at":           {alone, nil, nil, false, "trusts no receiver"},
		"not wanted":              {desk.Receiver{}, holds, nil, false, "trusts no receiver"},
		"beside a silent one":     {beside, holds, nil, true, "a signature holds"},
		"whatever others wrote":   {beside, fails, forged, false, "it does not hold"},
		"a stranger says nothing": {alone, fails, []desk.AuthResults{said("mx.evil.example", 0, "pass", "customer.example")}, false, "it does not hold"},
	})
	from := desk.Address{Email: "ann@customer.example"}
	for name, c := range map[string]struct {
		receiver desk.Receiver
		mail     desk.Mail
		want     bool
	}{
		"nobody else":       {alone, desk.Mail{From: from}, true},
		"a forged result":   {beside, desk.Mail{From: from, AuthResults: forged}, true},
		"the receiver's":    {beside, desk.Mail{From: from, AuthResults: []desk.AuthResults{said("mx.acme.example", 0, "fail", "customer.example")}}, false},
		"off":               {pinned, desk.Mail{From: from}, false},
		"no clear sender":   {alone, desk.Mail{From: from, FromUnsure: true}, false},
		"no clear header":   {alone, desk.Mail{From: from, HeaderUnsure: true}, false},
		"no sender at all":  {alone, desk.Mail{}, false},
		"Microsoft's words": {desk.Receiver{Profile: desk.M365, DKIM: true}, desk.Mail{From: from, AuthResults: []desk.AuthResults{{}}}, false},
	} {
		if got := c.receiver.WantsDKIM(c.mail); got != c.want {
			t.Errorf("%s: signatures are looked at: %t", name, got)
		}
	}
}

func TestA5_CalibrationTellsAForgedResultFromTheReceivers(t *testing.T) {
	t.Parallel()
	const mx = "mx.acme.example"
	genuine := func(id string, below int) desk.AuthResults { return said(id, below, "none", "outside.example") }
	forged := func(id string, below int) desk.AuthResults {
		a := said(id, below, "pass", "calibration.invalid")
		a.Results[1].Props = append(a.Results[1].Props, desk.AuthProp{Name: desk.CalibrationMark, Value: "code"})
		return a
	}
	silent := genuine(mx, 0)
	silent.Results = silent.Results[:1]
	for name, c := range map[string]struct {
		receiver desk.Receiver
		fields   []desk.AuthResults
		hops     int // -1: they can't be told apart
		says     string
	}{
		"a milter, left in below":            {pinned, []desk.AuthResults{genuine(mx, 0), forged(mx, 1)}, 0, "the forged one below 1"},
		"behind two servers, left in":        {pinned, []desk.AuthResults{genuine(mx, 2), forged(mx, 3)}, 2, "the forged one below 3"},
		"behind two servers, taken out":      {pinned, []desk.AuthResults{genuine(mx, 2)}, 2, "taken out"},
		"as many Received fields above both": {pinned, []desk.AuthResults{genuine(mx, 2), forged(mx, 2)}, -1, "as many Received fields (2) as that of mx.acme.example"},
		"the forged one on top":              {pinned, []desk.AuthResults{forged(mx, 0), genuine(mx, 0)}, -1, "stands above"},
		"the forged one alone":               {pinned, []desk.AuthResults{forged(mx, 1)}, -1, "wrote no Authentication-Results"},
		"another server's":                   {pinned, []desk.AuthResults{genuine("mx.other.example", 0), forged(mx, 1)}, -1, "wrote no Authentication-Results"},
		"nothing of DMARC":                   {pinned, []desk.AuthResults{silent, forged(mx, 1)}, -1, "nothing of DMARC"},
		"Microsoft, taken out":               {microsoft, []desk.AuthResults{genuine("", 3)}, 3, "taken out"},
		"Microsoft, left in":                 {microsoft, []desk.AuthResults{genuine("", 3), forged("", 4)}, -1, "left in"},
		"Microsoft, not on top":              {microsoft, []desk.AuthResults{genuine(mx, 0), genuine("", 3)}, -1, "not the topmost"},
	} {
		got, ok, why := c.receiver.Calibrate(desk.Mail{AuthResults: c.fields}, "code")
		if ok != (c.hops >= 0) || ok && (got.Hops != c.hops || got.AuthServID != c.receiver.AuthServID) || !strings.Contains(why, c.says) {
			t.Errorf("%s: %t, %+v, %q", name, ok, got, why)
		}
	}
	if _, ok, _ := pinned.Calibrate(desk.Mail{HeaderUnsure: true, AuthResults: []desk.AuthResults{genuine(mx, 0)}}, "code"); ok {
		t.Error("a header of two minds tells them apart")
	}
}

func TestReceiversThatCantBeMeantAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		receiver desk.Receiver
		refused  bool
	}{
		"nobody": {desk.Receiver{}, false}, "pinned": {pinned, false}, "Microsoft": {microsoft, false}, "an address in brackets": {desk.Receiver{AuthServID: "[192.0.2.1]"}, false},
		"an unknown profile": {desk.Receiver{Profile: "gmail"}, true}, "Microsoft with a name": {desk.Receiver{Profile: desk.M365, AuthServID: "mx.example"}, true},
		"capitals": {desk.Receiver{AuthServID: "MX.example"}, true}, "blanks": {desk.Receiver{AuthServID: "mx example"}, true}, "a letter that looks like one": {desk.Receiver{AuthServID: "m\u212a.example"}, true},
		"hops below none": {desk.Receiver{Hops: -1}, true}, "too many hops": {desk.Receiver{Hops: 21}, true},
	} {
		if err := c.receiver.Check(); (err != nil) != c.refused || err != nil && desk.KindOf(err) != desk.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
