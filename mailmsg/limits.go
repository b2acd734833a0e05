package mailmsg

// Limits bound what Parse takes from one mail. Past a limit the rest is kept as an attachment.
type Limits struct {
	Size        int64 // bytes of the whole mail
	Parts       int
	Depth       int // of multiparts in each other
	Fields      int // of one header
	HeaderBytes int // of one header
	Text        int // bytes of a text part that are read as text; all of them together: twice as many
	Work        int // bytes of headers and reports that are read, of all parts together
}

// DefaultLimits gives what REQUIREMENTS I7 says. The 10 s of CPU it allows are kept without a clock, so that a mail reads the
// same on every machine: nothing is done with a byte more than a bounded number of times, attachments only pass through, and
// Text and Work bound the rest.
func DefaultLimits() Limits {
	return Limits{Size: 150 << 20, Parts: 1000, Depth: 50, Fields: 2000, HeaderBytes: 1 << 20, Text: 1 << 20, Work: 16 << 20}
}

func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	if l.Size > 0 {
		d.Size = l.Size
	}
	if l.Parts > 0 {
		d.Parts = l.Parts
	}
	if l.Depth > 0 {
		d.Depth = l.Depth
	}
	if l.Fields > 0 {
		d.Fields = l.Fields
	}
	if l.HeaderBytes > 0 {
		d.HeaderBytes = l.HeaderBytes
	}
	if l.Text > 0 {
		d.Text = l.Text
	}
	if l.Work > 0 {
		d.Work = l.Work
	}
	return d
}
