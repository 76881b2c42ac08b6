package stompadapter_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/tools/txtar"
)

// script is a conversation: a file of testdata/script in txtar's format. Its
// comment says what is shown, and in lines with # which rows of the requirements
// in the package documentation that proves, and under what configuration:
//
//	UNSUBSCRIBE ends one subscription.
//	# rows: F9 F10
//	# versions: 1.1 1.2
//	# config: frame=100 headers=3
//	# transports: websocket
//
// The versions are those it is played in, each on its own; without that line it
// is 1.2. Each section is a step, named after who does what:
//
//	-- ann connects --                 logs in, in the version of the run
//	-- ann subscribes id /topic/x --   and waits for the receipt
//	-- ann subscribes id /queue/x client -- and acknowledges in this mode
//	-- ann offers v12.stomp v11.stomp -- opens a WebSocket with these subprotocols
//	-- ann is given v12.stomp --
//	-- ann sends --                    the octets below, in one piece
//	-- ann sends by 1 --               in pieces of one octet
//	-- ann sends binary --             in a binary WebSocket message
//	-- ann gets --                     these frames and no other have come
//	-- ann gets in order --            the same, and their headers are in this order
//	-- ann gets nothing --
//	-- ann gets heart-beats 2 --
//	-- ann is closed 1002 --           with this code, where the transport has one
//	-- ann is refused 1002 no colon -- gets an ERROR with these words, is closed
//	-- ann leaves --                   cuts the connection
//	-- 10s pass --
//
// Text is written as [decodeText] says and compared as [match] says. After the
// last step nobody may have got anything that no step looked at, nor been closed
// in silence.
type script struct {
	name, title string
	rows        []string
	versions    []string
	transports  []string
	config      []string
	steps       []txtar.File
}

const scriptDir = "testdata/script"

func parseScript(name string, octets []byte) (script, error) {
	archive := txtar.Parse(octets)
	s := script{name: name, versions: []string{"1.2"}, steps: archive.Files}
	for line := range strings.Lines(string(archive.Comment)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") {
			s.title += line
			continue
		}
		key, value, _ := strings.Cut(strings.TrimPrefix(line, "# "), ": ")
		field, ok := map[string]*[]string{"rows": &s.rows, "versions": &s.versions, "transports": &s.transports, "config": &s.config}[key]
		if !ok {
			return s, fmt.Errorf("unknown line %q", line)
		}
		*field = strings.Fields(value)
	}
	if s.title == "" || len(s.rows) == 0 || len(s.steps) == 0 {
		return s, fmt.Errorf("a script needs a title, rows and steps")
	}
	return s, nil
}

// scripts reads all scripts.
func scripts(t *testing.T) (all []script) {
	t.Helper()
	names, err := fs.Glob(os.DirFS(scriptDir), "*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		octets, err := os.ReadFile(path.Join(scriptDir, name))
		if err != nil {
			t.Fatal(err)
		}
		s, err := parseScript(strings.TrimSuffix(name, ".txtar"), octets)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, s)
	}
	return all
}

func TestScripts(t *testing.T) {
	for _, s := range scripts(t) {
		for _, transport := range scriptTransports {
			if len(s.transports) > 0 && !slices.Contains(s.transports, transport.name) {
				continue
			}
			for _, version := range s.versions {
				t.Run(s.name+"/"+transport.name+"/"+version, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						if err := s.play(t, transport, version); err != nil {
							t.Errorf("%v\n(%s)", err, s.title)
						}
					})
				})
			}
		}
	}
}

// play plays the script in a bubble, where whatever the server does is done
// when all wait: a step looks at what has come and never waits for more.
func (s script) play(t *testing.T, transport scriptTransport, version string) error {
	config, err := parseSite(s.config)
	if err != nil {
		return err
	}
	stage := &scriptStage{
		t:       t,
		dial:    transport.open(t, config.serve(t)),
		clients: make(map[string]*scriptClient),
		words:   words{"version": version},
	}
	for i, step := range s.steps {
		if err := stage.step(step.Name, string(step.Data)); err != nil {
			return fmt.Errorf("step %d, -- %s --: %w", i+1, step.Name, err)
		}
	}
	synctest.Wait()
	for name, c := range stage.clients {
		if err := c.unread(); err != nil {
			return fmt.Errorf("at the end: %s %w", name, err)
		}
	}
	return nil
}

// scriptStage is a script that is being played.
type scriptStage struct {
	t       *testing.T
	dial    func(subprotocols ...string) (wire, error)
	clients map[string]*scriptClient
	words   words
}

// client returns the client of this name, who opens a connection when first
// named.
func (g *scriptStage) client(name string, subprotocols ...string) (*scriptClient, error) {
	if c := g.clients[name]; c != nil {
		return c, nil
	}
	w, err := g.dial(subprotocols...)
	if err != nil {
		return nil, err
	}
	c := newScriptClient(w)
	g.t.Cleanup(c.leave)
	g.clients[name] = c
	return c, nil
}

func (g *scriptStage) step(name, text string) error {
	fields := append(strings.Fields(name), "", "", "")
	who, verb, args := fields[0], fields[1], strings.Fields(strings.Join(fields[2:], " "))
	if verb == "pass" {
		d, err := time.ParseDuration(who)
		time.Sleep(d)
		return err
	}
	var offered []string
	if verb == "offers" {
		offered = args
	}
	c, err := g.client(who, offered...)
	if err != nil {
		return err
	}
	synctest.Wait()
	switch verb {
	case "connects":
		return g.connect(c)
	case "offers":
		return nil
	case "subscribes":
		return g.subscribe(c, args)
	case "sends":
		return g.send(c, text, args)
	case "gets":
		return c.gets(g.words, text, args)
	case "is":
		return c.is(g.words, args)
	case "leaves":
		c.leave()
		return nil
	}
	return errNoStep
}

var errNoStep = errors.New("there is no such step")

func (g *scriptStage) connect(c *scriptClient) error {
	connect := "CONNECT\naccept-version:{version}\nhost:mill\n\n^@\n"
	if g.words["version"] == "1.0" {
		connect = "CONNECT\n\n^@\n"
	}
	return g.ask(c, connect, "CONNECTED\nversion:{version}\n...\n\n^@\n")
}

func (g *scriptStage) subscribe(c *scriptClient, args []string) error {
	mode := "auto"
	if len(args) > 2 {
		mode = args[2]
	}
	return g.ask(c, "SUBSCRIBE\nid:"+args[0]+"\ndestination:"+args[1]+"\nack:"+mode+"\nreceipt:to "+args[0]+"\n\n^@\n",
		"RECEIPT\nreceipt-id:to "+args[0]+"\n\n^@\n")
}

// ask sends a text and takes the answer.
func (g *scriptStage) ask(c *scriptClient, text, answer string) error {
	if err := g.send(c, text, nil); err != nil {
		return err
	}
	synctest.Wait()
	return c.gets(g.words, answer, nil)
}

// send sends the text, cut at each <|>.
func (g *scriptStage) send(c *scriptClient, text string, how []string) error {
	text, err := g.words.fill(text)
	if err != nil {
		return err
	}
	binary, most := slices.Contains(how, "binary"), 1<<20
	if len(how) == 2 && how[0] == "by" {
		if most, err = strconv.Atoi(how[1]); err != nil {
			return err
		}
	}
	for piece := range strings.SplitSeq(text, "<|>") {
		for octets := range slices.Chunk([]byte(decodeText(piece)), most) {
			// An error means that the connection has ended: another step sees it.
			_ = c.wire.write(octets, binary)
		}
	}
	return nil
}
