package message

import "time"

// Principal is who a session belongs to.
type Principal interface {
	// Name is unique among the users of the application.
	Name() string
}

// Expirer is implemented by a [Principal] that is known for a time only, as the
// holder of a token is. Who wants it enforced mounts an interceptor that looks.
type Expirer interface {
	Principal
	// Expires returns when the principal ends; the zero time means never. It does
	// not block and does not change.
	Expires() time.Time
}

// User is a [Principal] that is nothing but its name.
type User string

// Name returns the user's name.
func (u User) Name() string { return string(u) }

// RoleHolder is implemented by a [Principal] that has roles, such as "admin". Who
// asks does so for every message, from any goroutine: a role that is taken away is
// gone with the answer.
type RoleHolder interface {
	Principal
	// HasRole reports whether the principal has the role. It does not block.
	HasRole(role string) bool
}
