package desk

import (
	"fmt"
	"slices"
)

// CalibrationMark is the property by which a result is known that was forged to calibrate a mailbox.
const CalibrationMark = "policy.calibration"

// Calibrate looks at a mail that came from outside with a forged result, marked with the code, and tells whether the receiver's
// own result can be told from it (REQUIREMENTS A5). If so it gives the receiver with the hops that were seen; why says what was
// seen in either case.
func (r Receiver) Calibrate(m Mail, code string) (calibrated Receiver, ok bool, why string) {
	isForged := func(a AuthResults) bool {
		return slices.ContainsFunc(a.Results, func(x AuthResult) bool {
			mark, _ := x.Prop(CalibrationMark)
			return mark == code
		})
	}
	isWord := func(a AuthResults) bool { return a.ServID == r.AuthServID && !isForged(a) }
	forged, word := slices.IndexFunc(m.AuthResults, isForged), slices.IndexFunc(m.AuthResults, isWord)
	switch {
	case m.HeaderUnsure:
		return r, false, "the mail's header breaks the rules, so nothing can be told from it"
	case word < 0:
		return r, false, r.Name() + " wrote no Authentication-Results into the mail"
	case forged >= 0 && forged < word:
		return r, false, "the forged result stands above that of " + r.Name()
	case m.AuthResults[word].Broken:
		return r, false, "what " + r.Name() + " wrote can't be read for sure"
	case !slices.ContainsFunc(m.AuthResults[word].Results, func(x AuthResult) bool { return x.Method == "dmarc" }):
		return r, false, r.Name() + " says nothing of DMARC, so it can vouch for nobody"
	case r.Profile == M365 && word > 0:
		return r, false, "the result of " + r.Name() + " is not the topmost"
	}
	r.Hops = m.AuthResults[word].Below
	switch {
	case forged < 0:
		return r, true, fmt.Sprintf("the forged result was taken out on the way, that of %s stands below %d Received fields", r.Name(), r.Hops)
	case r.Profile == M365:
		return r, false, "the forged result was left in; it would count in a mail into which " + r.Name() + " writes nothing"
	case m.AuthResults[forged].Below <= r.Hops:
		return r, false, fmt.Sprintf("the forged result was left in, below as many Received fields (%d) as that of %s; it would count in a mail into which %[2]s writes nothing", r.Hops, r.Name())
	}
	return r, true, fmt.Sprintf("the result of %s stands below %d Received fields, the forged one below %d", r.Name(), r.Hops, m.AuthResults[forged].Below)
}
