// Package soak kills, cuts and slows the engines down while nodes speak through them,
// and looks at what is lost. Its tests have a short form and, with -long, the numbers that
// docs/reliability.md promises.
package soak
