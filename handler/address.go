package handler

import (
	"fmt"
	"slices"
	"strings"
)

// address is a destination with places for variables: text[0], the value of
// vars[0], text[1] and so on.
type address struct {
	text []string
	vars []string
}

// ownDestination is the variable, no pattern can have it, for the destination
// of the message without the router's prefix.
const ownDestination = ""

// parseAddress reads "{name}" as the variable of that name.
func parseAddress(text string, names []string) (address, error) {
	var a address
	for {
		before, after, found := strings.Cut(text, "{")
		a.text = append(a.text, before)
		if !found {
			return a, nil
		}
		name, rest, found := strings.Cut(after, "}")
		if !found {
			return a, fmt.Errorf("'{' without '}'")
		}
		if !slices.Contains(names, name) {
			return a, fmt.Errorf("the pattern has no variable {%s}", name)
		}
		a.vars = append(a.vars, name)
		text = rest
	}
}

// String returns the address as it was registered, "" for a default.
func (a address) String() string {
	var b strings.Builder
	for i, name := range a.vars {
		if name == ownDestination {
			return ""
		}
		b.WriteString(a.text[i] + "{" + name + "}")
	}
	if len(a.text) > 0 {
		b.WriteString(a.text[len(a.text)-1])
	}
	return b.String()
}

func (a address) fill(c *Call, prefix string) string {
	if len(a.vars) == 0 {
		return a.text[0]
	}
	if len(a.vars) == 1 { // one allocation
		return a.text[0] + a.value(0, c, prefix) + a.text[1]
	}
	var b strings.Builder
	b.WriteString(a.text[0])
	for i := range a.vars {
		b.WriteString(a.value(i, c, prefix))
		b.WriteString(a.text[i+1])
	}
	return b.String()
}

func (a address) value(i int, c *Call, prefix string) string {
	if a.vars[i] == ownDestination {
		return strings.TrimPrefix(c.Destination, prefix)
	}
	return c.PathValue(a.vars[i])
}

const defaultUserPrefix = "/user"

// userDestination returns where messages for a user or a session go. The name
// is one segment of it, whatever it holds.
func userDestination(prefix, name, dest string) string {
	if !strings.HasPrefix(dest, "/") {
		dest = "/" + dest
	}
	return prefix + "/" + nameEscaper.Replace(name) + dest
}

var nameEscaper = strings.NewReplacer("%", "%25", "/", "%2F")
