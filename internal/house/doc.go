// Package house holds the checks that keep the repository in order. It has tests only:
//
//	layering   which room may import what, and which words stay out of it
//	docs       every exported name is explained, every Config field states its zero value
//	api        the exported API of each room equals its golden file under api/
//	modules    what "go get" of the root module brings equals testdata/modules.txt
//	snippets   every Go block of the README and of docs/ type-checks, and prints what it says
//	pages      pages are short, the index of docs/ has all of them, and the names in their text exist
//	links      every relative link of a Markdown page points at a file
//	promises   every test that a promise in docs/ names exists
//	hygiene    formatting, file length, random numbers, sleeps, skips, goroutine leaks
//
// A check is a function from a tree of files to the problems it found, so it is tested on files written in
// memory; the same function then runs on the repository. CONTRIBUTING.md states the rules for people.
package house
