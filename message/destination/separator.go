package destination

// Separator is the character that divides a destination into segments. The zero
// value is [Slash].
type Separator uint8

const (
	// Slash divides "/topic/price/IBM".
	Slash Separator = iota
	// Dot divides "topic.price.IBM".
	Dot
)

// String returns the character itself.
func (s Separator) String() string { return string(s.char()) }

func (s Separator) char() byte {
	if s == Dot {
		return '.'
	}
	return '/'
}
