// Package faults holds one test: it plants mistakes into the broker, one at a time, and sees the broker's model,
// broker.TestModel, find each of them. So the model is known to see.
package faults
