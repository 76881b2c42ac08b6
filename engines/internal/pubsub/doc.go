// Package pubsub has what the engines' publishers and subscribers share.
package pubsub
