package kafka

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// partition is what a member has of a partition: the group is told how far all is done.
type partition struct {
	mu       sync.Mutex
	entries  []*entry // in their order, from the first that is not done; one stands for all that are done in a row
	underWay int
	idle     chan struct{} // closed when nothing is under way any more; nil until stopped
}

type entry struct {
	record *kgo.Record
	done   bool
}

// begin takes a record, unless the partition is somebody else's.
func (p *partition) begin(r *kgo.Record) *entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle != nil {
		return nil
	}
	e := &entry{record: r}
	p.entries = append(p.entries, e)
	p.underWay++
	return e
}

// skip is done with a record of others.
func (p *partition) skip(client *kgo.Client, r *kgo.Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle != nil {
		return
	}
	if len(p.entries) == 0 {
		client.MarkCommitRecords(r)
		return
	}
	last := p.entries[len(p.entries)-1]
	if last.done {
		last.record = r
		return
	}
	p.entries = append(p.entries, &entry{record: r, done: true})
}

// end ends an entry, and tells the group when all before it are done too.
func (p *partition) end(client *kgo.Client, e *entry, done bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.done = done
	var last *kgo.Record
	for len(p.entries) > 0 && p.entries[0].done {
		last = p.entries[0].record
		p.entries = p.entries[1:]
	}
	if last != nil {
		client.MarkCommitRecords(last)
	}
	if len(p.entries) > 2*p.underWay+1 { // or one that takes its time would keep all that came since
		p.entries = alone(p.entries)
	}
	if p.underWay--; p.underWay == 0 && p.idle != nil {
		close(p.idle)
	}
}

// alone leaves the last one of those that are done in a row.
func alone(entries []*entry) []*entry {
	var left []*entry
	for i, e := range entries {
		if !e.done || i+1 == len(entries) || !entries[i+1].done {
			left = append(left, e)
		}
	}
	return left
}

// stop takes nothing more. What it returns is closed when nothing is under way.
func (p *partition) stop() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle == nil {
		p.idle = make(chan struct{})
		if p.underWay == 0 {
			close(p.idle)
		}
	}
	return p.idle
}
