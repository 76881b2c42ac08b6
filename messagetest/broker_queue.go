package messagetest

import "strconv"

// queueIsFair publishes 1,000 messages to four consumers: each message comes to
// one of them, and each of them has its share.
func queueIsFair(s *trial) {
	const n, consumers = 1000, 4
	var parties []party
	for range consumers {
		parties = append(parties, s.consumer(s.queue("work"), ""))
	}
	for i := range n {
		s.publish(s.queue("work"), stream{0, i}.String())
	}
	y, shares := s.tally(), make([]int, consumers)
	s.collect(n, parties, func(m delivery) {
		y.add(m.to, m.Payload)
		shares[m.to]++
	})
	for _, share := range shares {
		if share < n/consumers/2 {
			s.t.Errorf("the shares are %d of %d", shares, n)
			break
		}
	}
	s.endOf(parties)
}

// endOf proves that consumers have got no more than they were to get: nothing but
// one last message comes.
func (s *trial) endOf(parties []party) {
	s.t.Helper()
	s.publish(s.queue("work"), "end")
	s.collect(1, parties, func(m delivery) {
		if string(m.Payload) != "end" {
			s.t.Errorf("%.80q came once more", m.Payload)
		}
	})
}

// queueOfManyConsumers publishes 50 x 100 messages to 50 consumers.
func queueOfManyConsumers(s *trial) {
	const publishers, each, consumers = 50, 100, 50
	var parties []party
	for range consumers {
		parties = append(parties, s.consumer(s.queue("work"), ""))
	}
	s.publishers(publishers, each, func(int) string { return s.queue("work") })
	y := s.tally()
	s.collect(publishers*each, parties, func(m delivery) { y.add(m.to, m.Payload) })
	s.endOf(parties)
}

// queueAfterAConsumerLeft ends one of two subscriptions and one of two sessions:
// the one that is left gets all.
func queueAfterAConsumerLeft(s *trial) {
	const n = 100
	a, b, c := s.join(), s.consumer(s.queue("work"), ""), s.consumer(s.queue("work"), "")
	id := a.Subscribe(s.queue("work"))
	a.Unsubscribe(id)
	b.leave()
	for i := range n {
		s.publish(s.queue("work"), strconv.Itoa(i))
	}
	c.want(texts(0, n)...)
	s.endOf([]party{a, b, c})
}

// backlog publishes 10,000 messages while nobody listens.
func backlog(s *trial) {
	const publishers, each = 20, 500
	s.publishers(publishers, each, func(int) string { return s.queue("work") })
	p := s.consumer(s.queue("work"), "")
	p.wantStreams(publishers, each)
	s.publish(s.queue("work"), "end")
	p.want("end")
	p.leave()
	s.publish(s.queue("work"), "1")
	s.publish(s.queue("work"), "2")
	s.consumer(s.queue("work"), "").want("1", "2")
}
