package desk

import "time"

// CheckTimeZone refuses what is no time zone of the IANA database; "" is left to others. The machine's own zone is none: it says nothing to readers.
func CheckTimeZone(field, name string) error {
	if _, err := time.LoadLocation(name); err != nil || name == "Local" {
		return Refuse(field, "there is no time zone %q; it is a name such as Europe/Oslo", name)
	}
	return nil
}
