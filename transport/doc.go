// Package transport is what every network adapter shares.
package transport
