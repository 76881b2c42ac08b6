package jwt

import (
	"slices"
	"strings"
	"time"

	"github.com/headrace/headrace/message"
)

// User is the principal that a token speaks of. It does not change, and may be used by
// any number of goroutines at once.
type User struct {
	name   string
	roles  []string
	end    time.Time
	claims map[string]any
}

var (
	_ message.Expirer    = (*User)(nil)
	_ message.RoleHolder = (*User)(nil)
)

// Name returns the subject of the token.
func (u *User) Name() string { return u.name }

// HasRole reports whether the token gives the user a role.
func (u *User) HasRole(role string) bool { return slices.Contains(u.roles, role) }

// Expires returns when the token ends, [Config] Leeway later.
func (u *User) Expires() time.Time { return u.end }

// Claim returns a claim of the token as encoding/json decodes it, which must not be
// changed, or nil.
func (u *User) Claim(name string) any { return u.claims[name] }

// String returns the name: what else is in a token is not for the log.
func (u *User) String() string { return u.name }

// roles returns those of the claim of this name.
func roles(claims map[string]any) []string {
	switch list := claims["roles"].(type) {
	case string:
		return strings.Fields(list)
	case []any:
		names := make([]string, 0, len(list))
		for _, role := range list {
			if name, ok := role.(string); ok {
				names = append(names, name)
			}
		}
		return names
	}
	return nil
}
