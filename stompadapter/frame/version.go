package frame

import "strings"

// Version is a version of the protocol. The zero value means that none has
// been negotiated yet.
type Version uint8

// The versions, oldest first, so that they compare.
const (
	V10 Version = iota + 1 // STOMP 1.0
	V11                    // STOMP 1.1
	V12                    // STOMP 1.2
)

// Versions lists the supported versions as the accept-version and version
// headers write them.
const Versions = "1.0,1.1,1.2"

// String returns the version as headers write it, such as "1.2", or "" for
// zero.
func (v Version) String() string {
	switch v {
	case V10:
		return "1.0"
	case V11:
		return "1.1"
	case V12:
		return "1.2"
	}
	return ""
}

// ParseVersion parses the version header of a CONNECTED frame. Its second
// result is false when s is no supported version.
func ParseVersion(s string) (Version, bool) {
	switch s {
	case "1.0":
		return V10, true
	case "1.1":
		return V11, true
	case "1.2":
		return V12, true
	}
	return 0, false
}

// Negotiate returns the highest version in the value of an accept-version
// header that is not above newest, whatever the order of the list (STOMP 1.2,
// "Protocol Negotiation"). An empty value, as [message.Header.Get] returns it
// for a missing header, means 1.0. The second result is false when there is no
// version in common.
func Negotiate(acceptVersion string, newest Version) (Version, bool) {
	if acceptVersion == "" {
		return V10, true
	}
	var best Version
	for s := range strings.SplitSeq(acceptVersion, ",") {
		v, _ := ParseVersion(strings.TrimSpace(s)) // lists with blanks are common and clear
		if v <= newest {
			best = max(best, v)
		}
	}
	return best, best != 0
}

// stripsCR reports whether a CR before the LF is part of the line's end.
func (v Version) stripsCR() bool { return v == V12 || v == 0 }
