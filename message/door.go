package message

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
)

// Door is one thing that strangers, or more users than one might think, can do.
type Door struct {
	// Where is the place in the program that opens it, as file:line or as the name of
	// a setting.
	Where string
	// What says who may do what.
	What string

	shut *atomic.Bool // nil: open for good
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

// Unless returns d, with one more door at its end that is open until shut is true, for
// good: by what the program mounts when it has the report already.
func (d Doors) Unless(shut *atomic.Bool, where, what string) Doors {
	return append(d, Door{where, what, shut})
}

// Open returns what is open of d by now. It is nil only if d is.
func (d Doors) Open() Doors {
	return slices.DeleteFunc(slices.Clone(d), func(door Door) bool { return door.shut != nil && door.shut.Load() })
}

// String returns the report of what is open by now, one door a line.
func (d Doors) String() string {
	d = d.Open()
	var b strings.Builder
	fmt.Fprintf(&b, "open doors: %d\n", len(d))
	for _, door := range d {
		fmt.Fprintf(&b, "  %s (%s)\n", door.What, door.Where)
	}
	return b.String()
}
