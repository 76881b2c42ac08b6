package messagetest_test

import (
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/messagetest"
)

func TestLocalBackplane(t *testing.T) {
	engine := messagetest.NewBackplane()
	messagetest.Backplane(t, func(*testing.T) broker.Backplane { return engine })
}
