# Plain `make` lists the targets.
SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.NOTPARALLEL:
export GOWORK := $(CURDIR)/go.work

# The modules of go.work, the root last.
MODULES  := $(or $(shell go list -m -f '{{.Dir}}' | sort -r),$(error go list does not list the modules))
# The race detector needs cgo, which Go turns off where there is no C compiler.
RACE      = $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)
# The packages with tests that count allocations, which the race detector disturbs.
ALLOCS    = $(shell grep -rl --include='*_test.go' --exclude-dir=node_modules AllocsPerRun . | xargs -r -n 1 dirname | sort -u)
TESTFLAGS = -shuffle=on -p 2 -timeout 15m
FUZZTIME ?= 10s
BENCH    ?= .
SOAK     ?= .

# SHORT=1 needs nothing but Go: no installation, no browser, no npm, no fuzzing.
ifdef SHORT
export HEADRACE_SHORT := 1
endif

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  SHORT=1 leaves out what needs more than Go; CI=true makes a missing tool a failure;"
	@echo "  FUZZTIME=1m fuzzes longer; BENCH=FanOut chooses benchmarks, SOAK=R05 soak tests."

test: $(if $(SHORT),vet,setup lint fuzz) allocs unit ## Run everything: setup, lint, fuzz, and all tests of all modules

setup: ## Install what the tests need besides Go (as root on Debian), or say what is missing
	@scripts/setup.sh

lint: vet staticcheck house ## Run go vet, staticcheck and the house rules

vet:
	@for m in $(MODULES); do echo "vet: $$m"; go vet -C "$$m" ./...; done

staticcheck:
	@GOWORK=off go build -C tools -o ../bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	@for m in $(MODULES); do echo "staticcheck: $$m"; (cd "$$m" && $(CURDIR)/bin/staticcheck ./...); done

house: ## Check the house rules alone: layering, docs, API, snippets, links and so on
	@go test ./internal/house

unit: ## Run all tests of all modules, with the race detector where there is a C compiler
	@for m in $(MODULES); do go test -C "$$m" $(RACE) $(TESTFLAGS) ./...; done

allocs: ## Run the tests that count allocations, without the race detector
	@$(if $(ALLOCS),go test $(TESTFLAGS) $(ALLOCS),:)

fuzz: ## Run every fuzz target for FUZZTIME
	@scripts/fuzz.sh $(FUZZTIME)

bench: ## Run the benchmarks that match BENCH
	@for m in $(MODULES); do go test -C "$$m" -p 1 -run '^$$' -bench '$(BENCH)' -benchmem ./...; done

soak: ## Run the long forms of the reliability tests that match SOAK, for SOAKFOR each where that is set
	@go test -C bench -v -count=1 -timeout 30h -run 'Test.*($(SOAK))' ./soak -long $(if $(SOAKFOR),-phase $(SOAKFOR))
	@go test -C engines -v -count=1 -timeout 6h -run 'Test.*($(SOAK))' ./soak -long
	@go test -v -count=1 -timeout 1h -run 'TestRabbitMQ/$(SOAK)' ./stompadapter/relay -long

api: ## Write the golden files anew: the exported API, the list of modules and the table of brokers
	@go test ./internal/house -run '^(TestAPI|TestModules|TestBrokers)$$' -update

cover: ## Measure which statements of the root module its tests run
	@mkdir -p bin
	@go test -p 2 -coverpkg=./... -coverprofile=bin/cover.out ./...
	@go tool cover -func=bin/cover.out | tail -n 1

.PHONY: help test setup lint vet staticcheck house unit allocs fuzz bench soak api cover
