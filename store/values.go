package store

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// millis is how times are stored: Unix milliseconds in a BIGINT, 0 for no time.
type millis struct{ t *time.Time }

// Value implements driver.Valuer.
func (m millis) Value() (driver.Value, error) {
	if m.t.IsZero() {
		return int64(0), nil
	}
	return m.t.UnixMilli(), nil
}

// Scan implements sql.Scanner.
func (m millis) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("a time is stored as %T", src)
	}
	*m.t = time.Time{}
	if n != 0 {
		*m.t = time.UnixMilli(n).UTC()
	}
	return nil
}

// ms gives the stored form of a time.
func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// packed is a value stored as JSON text.
type packed[T any] struct{ v *T }

// Scan implements sql.Scanner.
func (p packed[T]) Scan(src any) error {
	var b []byte
	switch s := src.(type) {
	case string:
		b = []byte(s)
	case []byte:
		b = s
	default:
		return fmt.Errorf("JSON is stored as %T", src)
	}
	return json.Unmarshal(b, p.v)
}

func pack[T any](v T) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only plain structs, maps and slices of strings are packed
	}
	return string(b)
}

// clean makes text that both databases take: valid UTF-8 without NUL (PostgreSQL refuses both).
func clean(s string) string {
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "")
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return s
}

// clip is clean, and at most n bytes long, cut between characters.
func clip(s string, n int) string {
	s = clean(s)
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
