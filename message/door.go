package message

import (
	"fmt"
	"strings"
)

// Door is one thing that strangers, or more users than one might think, can do.
type Door struct {
	// Where is the place in the program that opens it, as file:line or as the name of
	// a setting.
	Where string
	// What says who may do what.
	What string
}

// Doors are a report of what is open. Policies, configurations and adapters return
// theirs, and a program shows the whole at its start.
type Doors []Door

// If returns d, with one more door at its end if that is open.
func (d Doors) If(open bool, where, what string) Doors {
	if !open {
		return d
	}
	return append(d, Door{Where: where, What: what})
}

// String returns the report, one door a line.
func (d Doors) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "open doors: %d\n", len(d))
	for _, door := range d {
		fmt.Fprintf(&b, "  %s (%s)\n", door.What, door.Where)
	}
	return b.String()
}
