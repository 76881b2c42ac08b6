// Fanout measures one publisher and many WebSocket subscribers: headrace beside
// a bare gorilla broadcast that joins waiting frames into one write.
//
//	go run ./bench/fanout -subscribers 1000 -pairs 10
//
// Every visit starts a fresh server process, connects, runs once unmeasured and
// once measured; visits alternate (A B A B ...). At most 64 messages are on the
// way. CPU is the server process's own, from getrusage. Client and server share
// the machine.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/headrace/headrace/bench/internal/stat"
)

var (
	serve       = flag.String("serve", "", "run as the server of this kind (used by the program itself)")
	subscribers = flag.Int("subscribers", 1000, "WebSocket subscribers")
	publishes   = flag.Int("publishes", 1000, "messages published in a run")
	window      = flag.Int("window", 64, "messages on the way at most")
	pairs       = flag.Int("pairs", 10, "pairs of visits")
	body        = flag.Int("body", 128, "bytes of payload")
	kinds       = flag.String("kinds", "headrace,gorilla", "the two servers to compare")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	if *serve != "" {
		runServer(*serve)
		return
	}
	names := strings.Split(*kinds, ",")
	if len(names) != 2 {
		log.Fatal("-kinds needs two names")
	}
	var runs [2][]result
	for i := range *pairs {
		for j := range 2 {
			k := (i + j) % 2 // A B, B A, A B ...
			r, err := visit(names[k])
			if err != nil {
				log.Fatalf("%s: %v", names[k], err)
			}
			runs[k] = append(runs[k], r)
			fmt.Printf("%-16s %8.0fk/s  %6.3f CPU s/M\n", names[k], r.rate/1000, r.cpu)
		}
	}
	report(names, runs)
}

// result is one measured run: deliveries a second, and seconds of server CPU for
// a million deliveries.
type result struct{ rate, cpu float64 }

func report(names []string, runs [2][]result) {
	fmt.Printf("\n%d subscribers, %d bytes, window %d, %d publishes a run, %d pairs, %s, %d CPUs\n",
		*subscribers, *body, *window, *publishes, *pairs, runtime.Version(), runtime.NumCPU())
	for k, name := range names {
		fmt.Printf("%-10s rate %s k/s   CPU %s s/M\n", name,
			stat.Summary(runs[k], func(r result) float64 { return r.rate / 1000 }),
			stat.Summary(runs[k], func(r result) float64 { return r.cpu }))
	}
	ratios := make([]result, len(runs[0]))
	for i := range ratios {
		ratios[i] = result{rate: runs[0][i].rate / runs[1][i].rate, cpu: runs[0][i].cpu / runs[1][i].cpu}
	}
	fmt.Printf("%s/%s  rate %s   CPU %s\n", names[0], names[1],
		stat.Summary(ratios, func(r result) float64 { return r.rate }),
		stat.Summary(ratios, func(r result) float64 { return r.cpu }))
}

// visit starts a server of the kind, measures one run against it and stops it.
func visit(kind string) (result, error) {
	s, err := startServer(kind)
	if err != nil {
		return result{}, err
	}
	defer s.stop()
	c, err := connect(kind, s.addr, *subscribers, *body)
	if err != nil {
		return result{}, err
	}
	defer c.close()
	if err := c.run(*publishes/2, *window); err != nil {
		return result{}, err
	}
	before, err := s.cpu()
	if err != nil {
		return result{}, err
	}
	start := time.Now()
	if err := c.run(*publishes, *window); err != nil {
		return result{}, err
	}
	elapsed := time.Since(start)
	after, err := s.cpu()
	deliveries := float64(*publishes * *subscribers)
	return result{rate: deliveries / elapsed.Seconds(), cpu: (after - before).Seconds() / deliveries * 1e6}, err
}

// server is a child process. A line on its standard input asks for its CPU time.
type server struct {
	cmd  *exec.Cmd
	in   *bufio.Writer
	out  *bufio.Scanner
	addr string
	end  func() error
}

func startServer(kind string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-serve", kind)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{cmd: cmd, in: bufio.NewWriter(in), out: bufio.NewScanner(out), end: in.Close}
	if !s.out.Scan() {
		return nil, errors.New("the server printed no address")
	}
	s.addr = s.out.Text()
	return s, nil
}

func (s *server) cpu() (time.Duration, error) {
	fmt.Fprintln(s.in, "cpu")
	if err := s.in.Flush(); err != nil {
		return 0, err
	}
	if !s.out.Scan() {
		return 0, errors.New("the server is gone")
	}
	ns, err := strconv.ParseInt(s.out.Text(), 10, 64)
	return time.Duration(ns), err
}

// stop closes the server's standard input, upon which it exits.
func (s *server) stop() {
	s.end()
	s.cmd.Wait()
}
