package channel

// table finds the mailboxes of a shard by hash. It is a hash table of the
// plainest kind: keys are hashes already, so it does without hashing them again
// and costs a third of a map.
type table[T any] struct {
	buckets []*mailbox[T] // a power of two of them
	n       int
}

func (t *table[T]) bucket(hash uint64) **mailbox[T] {
	return &t.buckets[hash/shardCount&uint64(len(t.buckets)-1)] // the low bits chose the shard
}

// find returns nil when there is no mailbox of this hash.
func (t *table[T]) find(hash uint64) *mailbox[T] {
	if t.n == 0 {
		return nil
	}
	b := *t.bucket(hash)
	for b != nil && b.hash != hash {
		b = b.next
	}
	return b
}

func (t *table[T]) add(b *mailbox[T]) {
	if t.n == len(t.buckets) {
		t.grow()
	}
	at := t.bucket(b.hash)
	b.next, *at = *at, b
	t.n++
}

func (t *table[T]) remove(b *mailbox[T]) {
	at := t.bucket(b.hash)
	for *at != b {
		at = &(*at).next
	}
	*at, b.next = b.next, nil
	t.n--
}

func (t *table[T]) grow() {
	old := t.buckets
	t.buckets = make([]*mailbox[T], max(8, 2*len(old)))
	for _, b := range old {
		for b != nil {
			at, next := t.bucket(b.hash), b.next
			b.next, *at = *at, b
			b = next
		}
	}
}
