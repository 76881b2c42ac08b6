package messagetest

import "github.com/headrace/headrace/broker"

// joinAt begins a session at one of several nodes.
func (s *trial) joinAt(node broker.Broker, destination string) party {
	s.t.Helper()
	p := party{Connect(s.t, node), s}
	p.Subscribe(destination)
	return p
}

// nodesTopic publishes at one node for subscribers at two, and at both.
func nodesTopic(s *trial) {
	const publishers, each = 20, 50
	other := s.start()
	here, there := s.joinAt(s.Broker, s.topic("news")), s.joinAt(other, s.topic("news"))
	s.publishers(publishers, each, func(int) string { return s.topic("news") })
	for _, p := range []party{here, there} {
		p.wantStreams(publishers, each)
	}
	for i, node := range []broker.Broker{s.Broker, other} {
		s.Broker = node
		for _, text := range texts(i*10, i*10+10) {
			s.publish(s.topic("news"), text)
			here.want(text)
			there.want(text)
		}
	}
	there.leave()
	s.publish(s.topic("news"), "end")
	here.want("end")
}

// nodesQueue publishes to one queue with consumers at two nodes. When one has left,
// the other is served alone.
func nodesQueue(s *trial) {
	const publishers, each = 20, 50
	other := s.start()
	parties := []party{s.joinAt(s.Broker, s.queue("work")), s.joinAt(other, s.queue("work"))}
	s.publishers(publishers, each, func(int) string { return s.queue("work") })
	y := s.tally()
	s.collect(publishers*each, parties, func(m delivery) { y.add(m.to, m.Payload) })
	s.endOf(parties)
	parties[0].leave()
	s.publish(s.queue("work"), "moved")
	parties[1].want("moved")
}

// survives closes the broker on a queue with a backlog, and makes it anew.
func survives(s *trial) {
	const n = 100
	s.fill(s.queue("work"), 0, n)
	s.Close()
	s.Broker = s.start()
	s.consumer(s.queue("work"), "").want(texts(0, n)...)
}
