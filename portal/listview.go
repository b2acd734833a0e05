package portal

import (
	"postern/desk"
	"postern/i18n"
)

type listView struct {
	head
	Empty           bool // the person has no ticket at all
	Waiting         int
	Tabs            []pill
	Query           listQuery
	Pills           []pill
	Filters         []field
	Columns         []column
	Rows            []row
	From, To, Total int
	Pages           []pageLink
	ClearURL        string
	OtherURL        string // where the same is searched among the company's tickets
}

// Hidden lists what the search form hands on beside its own fields.
func (v listView) Hidden() []field {
	var out []field
	add := func(name, value string) {
		if value != "" {
			out = append(out, field{Name: name, Value: value})
		}
	}
	if v.Query.Shared {
		add("view", "company")
	}
	add("status", string(v.Query.Kind))
	add("sort", v.Query.Sort)
	if v.Query.Up {
		add("dir", "up")
	}
	return out
}

// Narrowed tells whether one of the further filters is in use: they are open then.
func (v listView) Narrowed() bool { return v.Query.narrowed() }

// Filtered tells whether there may be more than is shown.
func (v listView) Filtered() bool { return v.Query.filtered() }

type pill struct {
	URL, Label string
	N          int
	On         bool
}

// column is one of the list's. Key says which; Order is how the list is ordered by it now, "" if it is not.
type column struct {
	Key, Label, URL, Order string
	Property               desk.Property
}

type cell struct {
	Column column
	Text   string
}

type row struct {
	Number        int64
	Subject       []i18n.Piece
	Unread        bool
	Files         bool
	By            string
	Snippet       []i18n.Piece
	Status        statusTag
	Created, Last moment
	Cells         []cell
}

// field is one of a form's.
type field struct {
	Name, Label, Value string
	Type               desk.PropertyType
	Choices            []choice
	Required           bool
}

type choice struct {
	Key, Label string
	On         bool
}

type pageLink struct {
	N   int // 0: pages are left out here
	URL string
	On  bool
}
