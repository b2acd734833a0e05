package i18n

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // machines have the time zones of the world, whatever is installed

	"github.com/go-playground/locales"
	"github.com/go-playground/locales/da"
	"github.com/go-playground/locales/de"
	"github.com/go-playground/locales/en_GB"
	"github.com/go-playground/locales/es"
	"github.com/go-playground/locales/fr"
	"github.com/go-playground/locales/he"
	"github.com/go-playground/locales/it"
	"github.com/go-playground/locales/nl"
	"github.com/go-playground/locales/pt"
	"github.com/go-playground/locales/th"
)

// placeOf gives how dates and numbers are written where a language is spoken (Unicode CLDR); as in Britain, for one that is not known.
func placeOf(lang string) locales.Translator {
	base, _, _ := strings.Cut(lang, "-")
	switch base {
	case "da":
		return da.New()
	case "de":
		return de.New()
	case "es":
		return es.New()
	case "fr":
		return fr.New()
	case "he":
		return he.New()
	case "it":
		return it.New()
	case "nl":
		return nl.New()
	case "pt":
		return pt.New()
	case "th":
		return th.New()
	}
	return en_GB.New()
}

// In gives the same texts with times in a zone, an IANA name such as Europe/Oslo; one that is not known is UTC.
func (t *Texts) In(zone string) *Texts {
	out := *t
	if loc, err := time.LoadLocation(zone); err == nil && zone != "Local" {
		out.zone = loc
	}
	return &out
}

// Zone names the zone that times are written in, as it is at a moment: its place and how far it is from Greenwich.
func (t *Texts) Zone(at time.Time) string {
	if t.zone == time.UTC || t.zone.String() == "UTC" {
		return "UTC"
	}
	name := t.zone.String()
	name = strings.ReplaceAll(name[strings.LastIndex(name, "/")+1:], "_", " ")
	_, seconds := at.In(t.zone).Zone()
	sign, minutes := '+', seconds/60
	if minutes < 0 {
		sign, minutes = '-', -minutes
	}
	offset := fmt.Sprintf("GMT%c%d", sign, minutes/60)
	if minutes%60 != 0 {
		offset += fmt.Sprintf(":%02d", minutes%60)
	}
	return isolated(name + " (" + offset + ")")
}

// isolated keeps a text together that runs from left to right, also where those around it do not.
func isolated(s string) string { return "\u2066" + s + "\u2069" }

// Date writes a time as people read it in the language's place. Only the server writes dates, so that all pages agree.
func (t *Texts) Date(at time.Time) string {
	at = at.In(t.zone)
	return t.place.FmtDateMedium(at) + ", " + t.place.FmtTimeShort(at)
}

// Day writes a date without the time.
func (t *Texts) Day(at time.Time) string { return t.place.FmtDateMedium(at.In(t.zone)) }

// Calendar writes a day that is the same in all zones, such as a due date.
func (t *Texts) Calendar(day time.Time) string { return t.place.FmtDateMedium(day.UTC()) }

// Bytes writes a size. The number and its unit are kept together, also where text runs from right to left.
func (t *Texts) Bytes(n int64) string {
	switch {
	case n < 1000:
		return isolated(t.place.FmtNumber(float64(n), 0) + " B")
	case n < 1000*1000:
		return isolated(t.place.FmtNumber(float64((n+500)/1000), 0) + " KB")
	}
	digits := uint64(1)
	if tenths := (n + 50_000) / 100_000; tenths%10 == 0 {
		digits = 0
	}
	return isolated(t.place.FmtNumber(float64(n)/1e6, digits) + " MB")
}
