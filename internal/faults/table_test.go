package faults

// fault is a mistake that somebody could make in the broker.
type fault struct {
	name     string
	file     string // of package broker
	old, new string // what stands there once, and what stands there instead
}

var faults = []fault{
	// Nothing is lost.
	{"lost on nack", "queue.go", "\t\t\tq.refuse(x)", "\t\t\tq.settled(x, errDead)"},
	{"lost at the end of the session", "queue.go", "\t\t\tq.takeBack(l)\n\t\t\tq.putBack(l)", "\t\t\tq.takeBack(l)\n\t\t\tq.settled(l, nil)"},
	{"lost on unsubscribe", "queue.go", "\t\t\tq.leaving = append(q.leaving, c)", `
			for l := c.under.first; l != nil; l = c.under.first {
				q.takeBack(l)
				q.settled(l, nil)
			}`},
	{"lost as a dead letter", "redeliver.go", "\t\tq.doomed = append(q.doomed, l)\n", ""},
	{"forgotten after the backoff", "redeliver.go", "\t\tq.later.insert(l, byDue)\n\t\tq.wakeAt(l.due)", "\t\tq.later.insert(l, byDue)"},
	{"left where it waits when there is room again", "queue.go", "\tq.unlock()\n\tq.run()\n}\n\n// release makes", "\tq.unlock()\n}\n\n// release makes"},
	{"left unsettled after the deadline", "queue.go", "Acks.Deadline; limit > 0 {", "Acks.Deadline; limit < 0 {"},

	// Nothing comes twice, or to who must not get it.
	{"delivered to all who compete", "queue.go", "\terr = q.store.delivery.to(ctx, &m)", `
	for _, o := range q.consumers {
		if o != c {
			other := m
			other.Session, other.Subscription = o.session, o.id
			_ = q.store.delivery.to(ctx, &other)
		}
	}
	err = q.store.delivery.to(ctx, &m)`},
	{"delivered although it was acknowledged", "queue.go", "\t\tif ok {\n\t\t\tq.settled(x, nil)", "\t\tif ok && x == l && first == nil {\n\t\t\tq.settled(x, nil)"},
	{"delivered after unsubscribe", "client.go", "remove(e entry) {\n\tif e.index != nil {\n\t\tb.index.Remove(e.index)\n\t}", "remove(e entry) {"},
	{"a late subscribe stays", "client.go", "c.gone, c.subscriptions = true, nil", "c.subscriptions = make(map[string]entry)"},
	{"the subscriptions of a session end one by one", "ack.go", "\t\tq.detach(true, cs...)", "\t\tfor _, c := range cs {\n\t\t\tq.detach(true, c)\n\t\t\tq.run()\n\t\t}"},
	{"prefetch is not counted", "queue.go", "c.under.n >= q.rule.Acks.Prefetch:", "c.under.n > q.rule.Acks.Prefetch:"},

	// Order.
	{"the newest first", "queue.go", "q.ready.push(l)", "q.ready.after(nil, l)"},
	{"what comes again in any order", "redeliver.go", "\t\tl.leave()\n\t\tq.again.insert(l, bySeq)", "\t\tl.leave()\n\t\tq.again.push(l)"},
	{"what comes again last", "queue.go", "\tl := q.again.first\n\tif l == nil {\n\t\tl = q.ready.first\n\t}", "\tl := q.ready.first\n\tif l == nil {\n\t\tl = q.again.first\n\t}"},

	// Acknowledgements.
	{"one ack settles all before it", "queue.go", "l.to.mode == message.AckCumulative", "l.to.mode != message.AckAuto"},
	{"a cumulative ack settles one", "queue.go", "l.to.mode == message.AckCumulative", "l.to.mode == message.AckAuto"},
	{"an ack by message id settles another subscription's", "ack.go", `(m.Subscription == "" || m.Subscription == d.to.id)`, "d.to.id != m.Destination"},
	{"a nack does not count", "redeliver.go", "\tl.refusals++\n", ""},
	{"no backoff", "redeliver.go", "time.Now().Add(backoff(acks, l.refusals))", "time.Now()"},
	{"deliveries are not counted", "store.go", "l.deliveries > 1", "l.deliveries > 2"},
	{"a client out of reach counts", "queue.go", "\tcase isUnreachable(err):", "\tcase isUnreachable(err) && l == nil:"},

	// Receipts.
	{"receipt before it is stored", "memory.go", "\tq, err := b.store.put(ctx, out, tries{}, rule)", "\tm.Done.Reached(message.Stored)\n\tq, err := b.store.put(ctx, out, tries{}, rule)"},
	{"receipt of a topic before it is delivered", "memory.go", "\tb.fanOut(ctx, b.delivery.prepare(m), borrowed)\n\tm.Done.Reached(message.Stored)", "\tm.Done.Reached(message.Stored)\n\tb.fanOut(ctx, b.delivery.prepare(m), borrowed)"},
	{"handled as soon as it is stored", "memory.go", "\tm.Done.Reached(message.Stored)\n\tq.run()", "\tm.Done.Reached(message.Handled)\n\tq.run()"},
	{"handled although it is dead", "queue.go", "l.m.Done.Release(q.store.bury(l))", "_ = q.store.bury(l)\n\t\tl.m.Done.Release(nil)"},

	// Bounds.
	{"a backlog without a bound", "queue.go", "q.n >= bounds.Messages || ", ""},
	{"a client for which too much waits is not cut", "store.go", "\t\tto.session.Close(err)\n", ""},
	{"memory is not given back", "queue.go", "\tq.store.release(l.size)\n", ""},
	{"a queue stays that nobody needs", "queue.go", "\t\tq.end()\n", ""},

	// Transactions.
	{"a transaction takes effect at once", "transactions.go", "return t.hold(ctx, m)", "_ = t.hold(ctx, m)"},
	{"a commit in another order", "transactions_commit.go", "range tx.messages {", "range slices.Backward(tx.messages) {"},
	{"a commit takes effect twice", "transactions.go", "\tt.close(tx, id)\n\treturn tx, nil", "\treturn tx, nil"},
	{"a commit goes on after its first message is refused", "transactions_commit.go", "i == 0 && err != nil", "i < 0"},
	{"the receipt of a commit does not wait", "transactions_commit.go", "c.left = c.pending > 0; c.left", "c.left = c.pending > len(c.errs); c.left"},
	{"an aborted transaction stays", "transactions.go", "\tt.release(tx)\n\tt.stats.Aborted++", "\tt.stats.Aborted += uint64(tx.bytes)"},
	{"a session's transactions stay when it ends", "transactions.go", "\t\t\tt.forget(m.Session)\n\t\t}\n\t\treturn next", "\t\t}\n\t\treturn next"},
}
