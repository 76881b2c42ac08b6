// Package relay lets an external message broker that speaks STOMP, such as RabbitMQ or
// ActiveMQ, do the work of a [broker.Broker].
package relay
