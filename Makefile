# Everything here needs Go. `make test` and `make bench` install the rest on
# Debian and Ubuntu: a C compiler (for the race detector), RabbitMQ, Mosquitto,
# and Node with the participants of the examples.

# TESTFLAGS: go's own limit of 10 minutes a package is too short for the stories
# of cmd/msgflo where the machine has more to do.
GO         ?= go
PACKAGES   ?= ./...
TESTFLAGS  ?= -race -timeout 30m
BENCH      ?= .
BENCHFLAGS ?= -benchmem

# Where `make broker` listens (on 127.0.0.1) and keeps its data.
AMQP_PORT       ?= 5672
MANAGEMENT_PORT ?= 15672
BROKER_DIR      ?= .broker

# With the race detector every process sleeps for a second at its end, for
# reports that come late; the tests start thousands.
export GORACE ?= atexit_sleep_ms=20

# The same with which this module is linted everywhere.
GOLANGCI_LINT = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

broker       = $(GO) run ./providers/rabbitmq/rabbittest/cmd
broker_flags = -dir $(BROKER_DIR) -amqp-port $(AMQP_PORT) -management-port $(MANAGEMENT_PORT)

.PHONY: help
help: ## Show the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

.PHONY: build
build: ## Build ./msgflo
	$(GO) build -o msgflo ./cmd/msgflo

.PHONY: test
test: install ## Vet and test everything, on a real RabbitMQ that lives as long as the tests
	$(GO) vet $(PACKAGES)
	$(broker) -- $(GO) test $(TESTFLAGS) $(PACKAGES)

.PHONY: bench
bench: install ## Run the benchmarks, one package after the other
	$(broker) -- $(GO) test -run '^$$' -bench '$(BENCH)' -p 1 $(BENCHFLAGS) $(PACKAGES)

.PHONY: lint
lint: ## Run golangci-lint (an installed one, else it is built first)
	@if command -v golangci-lint >/dev/null; then set -x; golangci-lint run $(PACKAGES); \
	else set -x; $(GO) run $(GOLANGCI_LINT) run $(PACKAGES); fi

.PHONY: broker
broker: install ## Run RabbitMQ on loopback until Ctrl-C (AMQP_PORT=, MANAGEMENT_PORT= choose others)
	@$(broker) serve $(broker_flags)

.PHONY: broker-start
broker-start: install ## Run RabbitMQ on loopback in the background
	@$(broker) start $(broker_flags)

.PHONY: broker-stop
broker-stop: ## Stop what broker-start started
	@$(broker) stop -dir $(BROKER_DIR)

.PHONY: install
install:
	@.ci/install
