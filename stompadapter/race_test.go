//go:build race

package stompadapter_test

const raceEnabled = true
