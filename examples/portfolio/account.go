package main

import (
	"fmt"
	"maps"
	"sync"
)

// order is what a user wants to trade.
type order struct {
	Side   string `json:"side"` // "buy" or "sell"
	Shares int    `json:"shares"`
}

// rejection is the error of an order that cannot be carried out. Its reason is
// shown to the user, beside the field of the form that it is about.
type rejection struct {
	Field  string `json:"field"`
	Reason string `json:"reason"`
}

func (r *rejection) Error() string { return r.Reason }

func reject(field, format string, args ...any) error {
	return &rejection{Field: field, Reason: fmt.Sprintf(format, args...)}
}

// statement is what a user owns.
type statement struct {
	Trades    int                 `json:"trades"`
	Cash      cents               `json:"cash"`
	Positions map[symbol]position `json:"positions"`
}

// newer reports whether one statement of a user was made after another.
func newer(before, now statement) bool { return now.Trades > before.Trades }

// position is the shares of one stock and what they cost when they were bought.
type position struct {
	Shares int   `json:"shares"`
	Cost   cents `json:"cost"`
}

// startCash is what a new account holds.
const startCash cents = 100_000_00

// accounts holds what everybody owns. Its methods may be called from any
// goroutine.
type accounts struct {
	mu     sync.Mutex
	byUser map[string]statement
}

func newAccounts() *accounts { return &accounts{byUser: make(map[string]statement)} }

// statement returns what a user owns.
func (a *accounts) statement(user string) statement {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.get(user)
}

// get returns a copy: statements leave the lock and must not change any more.
func (a *accounts) get(user string) statement {
	s, ok := a.byUser[user]
	if !ok {
		return statement{Cash: startCash, Positions: make(map[symbol]position)}
	}
	s.Positions = maps.Clone(s.Positions)
	return s
}

// trade carries out an order at a price and returns what the user owns then.
// The error of an order that cannot be carried out is a *rejection.
func (a *accounts) trade(user string, of symbol, o order, price cents) (statement, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.get(user)
	p := s.Positions[of]
	switch {
	case o.Shares <= 0:
		return s, reject("shares", "The number of shares must be 1 or more.")
	case o.Side == "buy":
		if most := s.Cash / price; cents(o.Shares) > most {
			return s, reject("shares", "Not enough cash: it buys %d shares at most.", most)
		}
		amount := price * cents(o.Shares)
		s.Cash -= amount
		p.Shares += o.Shares
		p.Cost += amount
	case o.Side == "sell":
		if o.Shares > p.Shares {
			return s, reject("shares", "Not enough shares: you have %d of %s.", p.Shares, of)
		}
		s.Cash += price * cents(o.Shares)
		p.Cost -= p.Cost * cents(o.Shares) / cents(p.Shares)
		p.Shares -= o.Shares
	default:
		return s, reject("side", "An order is to buy or to sell.")
	}
	s.Trades++
	s.Positions[of] = p
	if p.Shares == 0 {
		delete(s.Positions, of)
	}
	a.byUser[user] = s
	return s, nil
}
