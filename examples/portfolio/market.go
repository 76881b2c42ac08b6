package main

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"sync"
)

// cents is an amount of money.
type cents int64

// symbol names a stock.
type symbol string

// UnmarshalText lets clients write it as they like.
func (s *symbol) UnmarshalText(text []byte) error {
	*s = symbol(bytes.ToUpper(text))
	return nil
}

// stock is a company's shares and what they cost lately.
type stock struct {
	Symbol symbol  `json:"symbol"`
	Name   string  `json:"name"`
	Open   cents   `json:"open"`
	Prices []cents `json:"prices"` // the newest is the last
	Moves  int     `json:"moves"`  // how often the price has moved
}

// quote is what a share costs now.
type quote struct {
	Symbol symbol `json:"symbol"`
	Price  cents  `json:"price"`
	Moves  int    `json:"moves"` // which move of the price it was
}

// unseen reports whether a price came after those of a snapshot.
func unseen(snapshot []stock, now quote) bool {
	i := slices.IndexFunc(snapshot, func(s stock) bool { return s.Symbol == now.Symbol })
	return i < 0 || now.Moves > snapshot[i].Moves
}

// history is how many prices of a stock are kept: a minute of them.
const history = 240

// market makes up prices. Its methods may be called from any goroutine.
type market struct {
	mu     sync.Mutex
	stocks []stock
}

// newMarket returns a market that has been open for a while.
func newMarket() *market {
	m := &market{stocks: []stock{
		{Symbol: "MILL", Name: "Mill Works", Open: 182_40},
		{Symbol: "WEIR", Name: "Weir Steel", Open: 64_15},
		{Symbol: "OTTR", Name: "Otter Freight", Open: 311_90},
		{Symbol: "REED", Name: "Reed & Bank", Open: 27_80},
		{Symbol: "EDDY", Name: "Eddy Systems", Open: 498_20},
		{Symbol: "SLCE", Name: "Sluice Energy", Open: 95_05},
	}}
	for i := range m.stocks {
		m.stocks[i].Prices = []cents{m.stocks[i].Open}
	}
	for range history {
		m.tick(func(quote) {})
	}
	return m
}

// tick moves every price by about a thousandth and publishes the new ones. It does
// so before anybody can take a snapshot that has them: what is published
// afterwards is in none that was taken before.
func (m *market) tick(publish func(quote)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.stocks {
		s := &m.stocks[i]
		last := s.Prices[len(s.Prices)-1]
		price := max(1_00, last+cents(float64(last)*rand.NormFloat64()/1000))
		s.Prices = append(s.Prices, price)
		s.Prices = s.Prices[max(0, len(s.Prices)-history):]
		s.Moves++
		publish(quote{Symbol: s.Symbol, Price: price, Moves: s.Moves})
	}
}

// price returns what a share costs now, and whether there is such a stock.
func (m *market) price(of symbol) (cents, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.stocks, func(s stock) bool { return s.Symbol == of })
	if i < 0 {
		return 0, false
	}
	prices := m.stocks[i].Prices
	return prices[len(prices)-1], true
}

// snapshot returns all stocks with their latest prices. It may share these with
// the market, which only ever appends.
func (m *market) snapshot() []stock {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.stocks)
}
