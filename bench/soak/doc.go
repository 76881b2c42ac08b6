// Package soak holds headrace to its promises of reliability under load, faults
// and hostile clients. The names of the tests are the numbers of the promises in
// docs/reliability.md.
//
// Plain go test runs short forms, a few seconds each. The long forms need a
// machine of their own, and files for 20,000 descriptors:
//
//	make soak                         all, about 80 minutes
//	make soak SOAK=R05 SOAKFOR=1m     one, its phases a minute long
//	make soak SOAK=R28 SOAKFOR=24h    mixed traffic for a day
package soak
