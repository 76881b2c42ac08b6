package ledger_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/headrace/headrace/internal/ledger"
)

// published reads messages: "a0" was acknowledged, "a1?" was not. Letters are publishers.
func published(text string) (all []ledger.Publish) {
	for _, word := range strings.Fields(text) {
		id, unknown := strings.CutSuffix(word, "?")
		all = append(all, ledger.Publish{ID: idOf(id), Acked: !unknown})
	}
	return all
}

func idOf(word string) ledger.ID {
	n, err := strconv.Atoi(word[1:])
	if err != nil {
		panic(err)
	}
	return ledger.ID{Publisher: int(word[0] - 'a'), Number: n}
}

// came reads deliveries: "x:a0".
func came(text string) (all []ledger.Delivery) {
	for _, word := range strings.Fields(text) {
		receiver, id, _ := strings.Cut(word, ":")
		all = append(all, ledger.Delivery{ID: idOf(id), Receiver: receiver})
	}
	return all
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name, published, came string
		want                  ledger.Verdict
	}{
		{"nothing", "", "", ledger.Verdict{}},
		{"all", "a0 a1 b0", "x:a0 y:a0 x:b0 x:a1 y:a1 y:b0", ledger.Verdict{Acked: 3}},
		{"lost to one", "a0 a1", "x:a0 x:a1 y:a1", ledger.Verdict{Acked: 2, Lost: 1}},
		{"lost to all", "a0", "", ledger.Verdict{Acked: 1, Lost: 2}},
		{"unknown and gone", "a0?", "", ledger.Verdict{}},
		{"unknown and come", "a0? a1", "x:a0 x:a1 y:a1", ledger.Verdict{Acked: 1}},
		{"doubled", "a0 a1", "x:a0 x:a0 x:a1 x:a0 y:a0 y:a1", ledger.Verdict{Acked: 2, Doubled: 2}},
		{"out of order", "a0 a1 a2", "x:a2 x:a0 x:a1 y:a0 y:a1 y:a2", ledger.Verdict{Acked: 3, Reordered: 2}},
		{"two publishers have no order", "a0 b0", "x:a0 x:b0 y:b0 y:a0", ledger.Verdict{Acked: 2}},
		{"ghost", "a0", "x:a0 y:a0 x:a1", ledger.Verdict{Acked: 1, Ghosts: 1}},
		{"of somebody else", "a0", "x:a0 y:a0 z:a0", ledger.Verdict{Acked: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := ledger.Check(published(c.published), came(c.came), "x", "y"); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestLedger(t *testing.T) {
	var l ledger.Ledger
	l.Delivered("x", ledger.ID{Number: 1}) // before its publisher was told
	l.Published(ledger.ID{Number: 0}, errors.New("no"))
	l.Published(ledger.ID{Number: 1}, nil)
	if !l.Complete("x") || l.Complete("x", "y") || l.Acked() != 1 {
		t.Error("what is complete is not seen, or what is not is")
	}
	if got, want := l.Check("x", "y"), (ledger.Verdict{Acked: 1, Lost: 1}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
