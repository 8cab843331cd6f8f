# Every target runs with the go command alone; tools come from the tool lines of go.mod.

GO       ?= go
FUZZTIME ?= 60s
REF      ?= HEAD
COUNT    ?= 10
KILLS    ?= 20000
IMAGES   ?= 1000000
CUTS     ?= 3000
CALLS    ?= 1000000
ROUNDS   ?= 10000
BENCH    ?= .
PACKAGES ?= ./...

.DEFAULT_GOAL := help
.PHONY: help build install check fmt vet staticcheck house test race cover fuzz cross bench bench-compare crash power-cuts damage failpoints calls shared thief binds ci

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  Settings: FUZZTIME=$(FUZZTIME) REF=$(REF) COUNT=$(COUNT) KILLS=$(KILLS) IMAGES=$(IMAGES) CUTS=$(CUTS) CALLS=$(CALLS) ROUNDS=$(ROUNDS) BENCH=$(BENCH) PACKAGES=$(PACKAGES)"

build: ## build the command into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/berth ./cmd/berth

install: ## install the command into the Go bin directory
	CGO_ENABLED=0 $(GO) install -trimpath ./cmd/berth

check: fmt vet staticcheck house ## formatting, vet, staticcheck and the tests of the house

fmt: ## fail if a file is not gofmt-ed
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "not gofmt-ed:"; echo "$$files"; exit 1; fi

vet: ## go vet, with and without failpoints
	$(GO) vet $(PACKAGES)
	$(GO) vet -tags failpoints ./store/...

staticcheck: ## staticcheck, as Linux, macOS and Windows see the code
	bash .ci/staticcheck $(PACKAGES)

house: ## import rules, layout, links, and the documents' command blocks
	$(GO) test -count=1 ./docs/...

test: ## all tests
	$(GO) test $(PACKAGES)

race: ## all tests under the race detector, in random order
	$(GO) test -race -count=1 -shuffle=on $(PACKAGES)

cover: ## test coverage, as a table and as coverage.out
	$(GO) test -count=1 -coverpkg=./pool/...,./reservation/...,./store/...,./sockets/...,./cmd/... -coverprofile=coverage.out $(PACKAGES)
	$(GO) tool cover -func=coverage.out | tail -n 1

fuzz: ## run every fuzz target for FUZZTIME
	bash .ci/fuzz $(FUZZTIME) $(PACKAGES)

cross: ## build and vet for every supported system and processor
	bash .ci/cross

bench: ## run the benchmarks of PACKAGES that match BENCH, and the harness, into docs/benchmarks/
	bash .ci/bench $(COUNT) '$(BENCH)' $(PACKAGES)
	$(GO) -C cmd/berthbench run . run --rounds $(COUNT) --output $(CURDIR)/docs/benchmarks/berthbench >docs/benchmarks/berthbench.new
	mv docs/benchmarks/berthbench.new docs/benchmarks/berthbench/table.txt

bench-compare: ## compare the benchmarks of the commit REF with the working tree
	bash .ci/bench-compare $(REF) $(COUNT) '$(BENCH)' $(PACKAGES)

crash: ## kill a writing process KILLS times and compare the store with what was acknowledged
	BERTH_KILLS=$(KILLS) $(GO) test -count=1 -timeout 6h -v -run Kill ./store

power-cuts: ## open what CUTS power cuts leave of commits
	BERTH_POWER_CUTS=$(CUTS) $(GO) test -count=1 -timeout 6h -v -run PowerCut ./store

damage: ## open IMAGES damaged stores
	BERTH_DAMAGE_IMAGES=$(IMAGES) $(GO) test -count=1 -timeout 6h -v -run Damage ./store

calls: ## compare CALLS random calls through the Windows doors with a slow model
	BERTH_DOOR_CALLS=$(CALLS) $(GO) test -count=1 -timeout 6h -v -run 'DoorCalls$$' ./reservation/conformance

shared: ## 8 processes share a store, CALLS creates by each, and their history is judged
	BERTH_SHARED_CALLS=$(CALLS) $(GO) test -count=1 -timeout 6h -v -run Shar ./store

thief: ## a thief tries the ports of held blocks for ROUNDS rounds
	BERTH_THIEF_ROUNDS=$(ROUNDS) BERTH_HELD_ROUNDS=$$(($(ROUNDS) / 64 * 64)) BERTH_HOLD_ROUNDS=$(ROUNDS) $(GO) test -count=1 -timeout 6h -v -run 'Thief|Leak' ./sockets/...

binds: ## 64 goroutines bind from one block of 64, ROUNDS times
	BERTH_BIND_ROUNDS=$(ROUNDS) $(GO) test -count=1 -timeout 6h -v -run SixtyFour ./sockets

failpoints: ## store tests with a fault injected at every durability edge
	$(GO) test -count=1 -tags failpoints ./store/...

ci: ## everything that a change must pass
	bash .ci/run
