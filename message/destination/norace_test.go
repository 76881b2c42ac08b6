//go:build !race

package destination_test

const raceEnabled = false
