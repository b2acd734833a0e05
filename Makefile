# Called alone, make lists what it can do.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

GOFILES = git ls-files -co --exclude-standard -- '*.go' | while read -r f; do if [ -e "$$f" ]; then echo "$$f"; fi; done
FUZZTIME ?= 30s

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

.PHONY: build
build: ## build bin/gateway and bin/worker
	go build -o bin/ ./cmd/...

.PHONY: fmt
fmt: ## format the code
	@$(GOFILES) | xargs -r gofmt -w

.PHONY: check
check: ## what can be told without running the programs: format, vet, staticcheck, layers, generated files, go.mod
	@bad=$$($(GOFILES) | xargs -r gofmt -l); if [ -n "$$bad" ]; then echo "not formatted (make fmt):"; echo "$$bad"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...
	go test -count=1 ./internal/archtest
	script/generated
	go mod tidy -diff

.PHONY: test
test: ## all tests; installs the servers they need first
	script/setup
	script/tests -timeout=30m ./...

.PHONY: e2e
e2e: ## the built programs as people use them, beside real servers and a browser; POSTERN_SHOTS=FOLDER keeps a picture of each page
	script/setup
	go test -count=1 -v -timeout=30m ./internal/e2e | grep -v '^=== '

.PHONY: test-long
test-long: ## what takes longer: the race detector and a random order, twenty kills, every page in every look, fuzzing
	script/setup
	script/tests -race -shuffle=on -timeout=60m ./...
	script/tests -tags long -count=1 -timeout=60m ./internal/e2e
	script/fuzz $(FUZZTIME)

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (30s)
	script/fuzz $(FUZZTIME)

.PHONY: corpus
corpus: ## how the sample collection (POSTERN_CORPUS) is read, folded, classed and threaded, as one table; make test holds the limits
	script/setup
	go test -count=1 -run='Corpus' ./mailmsg ./safehtml
	go test -count=1 -v -run='^TestCorpus$$' ./internal/e2e

.PHONY: bench
bench: ## ingest, outbound, the portal's pages, reading a mail, and memory, against their limits in the same run (docs/performance.md)
	script/setup
	go test -run='^$$' -bench=. -benchtime=1x -timeout=90m ./internal/bench
	go test -run='^$$' -bench='ParseRate|PeakMemory' -count=5 ./mailmsg
