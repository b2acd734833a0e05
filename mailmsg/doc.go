// Package mailmsg turns the bytes of a mail into desk values, and desk values into the bytes of a mail: MIME, charsets,
// classes (human, automatic, bounce, …), the folding of quotes, Message-IDs, signed tokens and composing.
//
// Reading is forgiving: whatever arrives has been accepted by a server already, so what can be understood of it is, and
// what was wrong is written down as a defect. Writing is strict and deterministic: the same Draft gives the same bytes.
package mailmsg
