# What there is to do here. `make help` lists it.

GO        ?= go
LINT      := $(GO) tool -modfile=tools/go.mod golangci-lint
SERVICES  := $(GO) run ./internal/testenv/run --
CLIENT    := conformance/client
NODE      := 20
FUZZTIME  ?= 10s
BENCHTIME ?= 1s
VULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.8.0

# One after the other: the steps share the machine, and the first problem found
# should be the simplest.
.NOTPARALLEL:
.PHONY: help test build vet lint client unit fmt fuzz bench vuln

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: build vet lint unit client ## check everything, as CI does

build: ## compile every package
	$(GO) build ./...

vet:
	$(GO) vet ./...

lint: ## run the linters, and check the format
	$(LINT) run ./...

client: ## run better-auth's own client against both adapters (needs Node.js)
	@if [ ! -f $(CLIENT)/package.json ]; then \
		echo "client: $(CLIENT) does not exist, nothing to test"; exit 0; \
	fi; \
	major=$$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/'); \
	if [ "$${major:-0}" -lt $(NODE) ]; then \
		echo "*** The tests with better-auth's client need Node.js $(NODE) or newer and npm. ***"; \
		if [ -n "$$CI" ]; then exit 1; fi; \
		echo "*** They are SKIPPED. ***"; exit 0; \
	fi; \
	set -x; \
	$(SERVICES) sh -c 'cd $(CLIENT) && npm ci --no-audit --no-fund && npm test'

unit: ## run the Go tests with the race detector and the services they need
	@race=-race; \
	if [ "$$($(GO) env CGO_ENABLED)" != 1 ]; then \
		echo "*** The race detector needs a C compiler, such as gcc. ***"; \
		if [ -n "$$CI" ]; then exit 1; fi; \
		echo "*** The tests run WITHOUT it. ***"; race=; \
	fi; \
	set -x; \
	$(SERVICES) $(GO) test $$race -timeout 15m ./...

fmt: ## format the code
	$(LINT) fmt

fuzz: ## fuzz every target for FUZZTIME (10s)
	@grep -rlE --include='*_test.go' --exclude-dir=node_modules '^func Fuzz' . | sort | while read -r file; do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file"); do \
			echo "$$(dirname "$$file") $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")" </dev/null || exit 1; \
		done || exit 1; \
	done

bench: ## run the benchmarks
	$(SERVICES) $(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...

vuln: ## look for known vulnerabilities (asks the Go vulnerability database)
	$(GO) run $(VULNCHECK) ./...
