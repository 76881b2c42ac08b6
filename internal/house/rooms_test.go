package house

// room is one row of the table of the house: what a package may import beyond the standard library.
type room struct {
	path        string   // from the root of the module, "." for the root; "/..." at the end stands for all below
	floor       int      // arrows point down: a room imports from lower floors, or from its own house
	imports     []string // rooms, written as path is
	modules     []string // prefixes of the import paths of other modules
	testModules []string // more of them, for tests alone
	http        bool     // net/http and what brings it
}

// testKit is what the tests of every room may import from other modules.
var testKit = []string{
	"github.com/google/go-cmp",
	"go.opentelemetry.io/otel",
	"go.uber.org/goleak",
	"golang.org/x/tools/txtar",
	"pgregory.net/rapid",
}

const (
	gorilla   = "github.com/gorilla/websocket"
	otel      = "go.opentelemetry.io/otel"
	otelSDK   = "go.opentelemetry.io/otel/sdk" // what an application chooses; a library speaks to the API
	watermill = "github.com/ThreeDotsLabs/watermill"
	anything  = "*"
)

// below lists the rooms of the floors under an adapter.
var below = []string{"message/...", "channel", "handler", "interceptor/...", "broker", "transport/..."}

// rooms is the table. A new package needs a row; a new arrow needs an entry, and a reason in its commit.
var rooms = []room{
	{path: "message", floor: 0},
	{path: "message/destination", floor: 0, imports: []string{"message"}},
	{path: "message/codec", floor: 0, imports: []string{"message", "internal/typename"}},
	{path: "message/codec/...", floor: 0, imports: []string{"message", "message/codec"}, modules: []string{"google.golang.org/protobuf"}},

	{path: "channel", floor: 1, imports: []string{"message", "internal/detach"}},

	{path: "handler", floor: 2, imports: []string{"message/...", "channel", "internal/detach", "internal/typename"}},
	{path: "interceptor", floor: 2, imports: []string{"message/...", "channel"}, modules: []string{"golang.org/x/time/rate"}},
	{path: "interceptor/telemetry", floor: 2, imports: []string{"message/...", "channel", "interceptor"}, modules: []string{otel}},
	{path: "interceptor/jwt", floor: 2, imports: []string{"message/...", "interceptor"}, modules: []string{"github.com/golang-jwt/jwt"}},
	{path: "broker", floor: 2, imports: []string{"message/...", "channel"}},
	{path: "transport", floor: 2, imports: []string{"message/...", "channel", "internal/detach"}, modules: []string{gorilla}, http: true},
	{path: "transport/auth", floor: 2, imports: []string{"message/...", "transport"}, http: true},

	{path: "stompadapter", floor: 3, imports: append([]string{"stompadapter/frame", "stompadapter/sockjs"}, below...), testModules: []string{gorilla}, http: true},
	{path: "stompadapter/frame", floor: 3, imports: []string{"message/..."}},
	{path: "stompadapter/sockjs", floor: 3, imports: append([]string{"stompadapter/frame"}, below...), testModules: []string{gorilla}, http: true},
	{path: "stompadapter/internal/line", floor: 3, imports: []string{"message", "stompadapter/frame"}},
	{path: "stompadapter/client", floor: 3, imports: append([]string{"stompadapter/frame", "stompadapter/internal/line", "stompadapter/sockjs"}, below...), modules: []string{gorilla}, http: true},
	{path: "stompadapter/relay", floor: 3, imports: append([]string{"stompadapter/frame", "stompadapter/internal/line"}, below...), http: true},
	{path: "watermilladapter", floor: 3, imports: below, modules: []string{watermill}},
	{path: "jsonadapter", floor: 3, imports: below, testModules: []string{gorilla}, http: true},
	{path: "sseadapter", floor: 3, imports: below, http: true},

	{path: ".", floor: 4, imports: append([]string{"stompadapter/...", "watermilladapter", "jsonadapter", "sseadapter"}, below...), testModules: []string{gorilla, watermill}, http: true},

	// Modules of their own: any module, any public room.
	{path: "examples/...", floor: 5, imports: append([]string{".", "stompadapter/...", "watermilladapter", "jsonadapter", "sseadapter", "engines/nats", "examples/...", "internal/need", "internal/proc"}, below...), modules: []string{anything}, http: true},
	{path: "engines/...", floor: 4, imports: append([]string{"watermilladapter", "engines/..."}, below...), modules: []string{anything}, http: true},
	{path: "engines/internal/child", floor: 3, imports: []string{"internal/proc"}, modules: []string{anything}},
	{path: "engines/internal/conform", floor: 3, imports: append([]string{"messagetest"}, below...)},
	{path: "bench/...", floor: 5, imports: append([]string{".", "stompadapter/...", "watermilladapter", "jsonadapter", "sseadapter", "engines/nats", "bench/...", "messagetest", "internal/pairs", "internal/need", "internal/proc", "internal/chaos", "internal/ledger"}, below...), modules: []string{anything}, http: true},

	// What several rooms share and no user sees.
	{path: "internal/detach", floor: 0},
	{path: "internal/typename", floor: -1}, // a room of floor 0 stands on it

	// At the side: what only tests and benchmarks import, and these checks.
	{path: "messagetest", floor: 2, imports: below, http: true},
	{path: "internal/pairs", floor: 0},
	{path: "internal/need", floor: 0},
	{path: "internal/proc", floor: 0, imports: []string{"internal/need"}},
	{path: "internal/chaos", floor: 0},
	{path: "internal/ledger", floor: 0},
	{path: "internal/faults", floor: 0},
	{path: "internal/house", floor: 3}, // its tests ask the brokers what they can do, for the table in docs/brokers.md
}

// neutral lists the houses that know no protocol: the name of the one below does not appear in them, in no kind of file.
var neutral = []string{"message", "channel", "handler", "interceptor", "broker", "transport", "messagetest"}
