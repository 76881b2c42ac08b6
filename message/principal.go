package message

// Principal is who a session belongs to.
type Principal interface {
	// Name is unique among the users of the application.
	Name() string
}

// User is a [Principal] that is nothing but its name.
type User string

// Name returns the user's name.
func (u User) Name() string { return string(u) }
