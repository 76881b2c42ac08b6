// Package proc runs the servers that tests talk to as child processes: on free ports of the loopback
// interface, with folders of their own, ended by their ids with the test that started them.
package proc
