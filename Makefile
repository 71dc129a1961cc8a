# The commands of this project. `make run` and `make test` are all that a fresh clone needs.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ENGINE ?= $(firstword $(foreach engine,docker podman buildah,$(if $(shell command -v $(engine)),$(engine))))
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
STAMP := $(VENV)/.installed
PROMETHEUS = $(or $(patsubst %/promtool,%,$(shell command -v promtool)),.tools/prometheus/usr/bin)
LOCK := $(BIN)/uv pip compile pyproject.toml --universal --generate-hashes --no-header --quiet --python-version 3.11 $(if $(UPGRADE),--upgrade)

.DEFAULT_GOAL := help
.PHONY: help venv run test check format lint types migrate schema lock bench freshness image monitoring scrape

help: ## Say what each of these does
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(STAMP) ## Make .venv with everything that running and developing take

$(STAMP): requirements/development.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is $$($(PYTHON) -V 2>&1): Python 3.11 or newer is needed; name one by 'make $(MAKECMDGOALS) PYTHON=python3.12'." >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { echo "make: $(PYTHON) can't make virtual environments: on Debian and Ubuntu, 'apt install python3-venv' helps." >&2; rm -rf $(VENV); exit 2; }
	@echo "Installing what is locked in requirements/development.txt ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/development.txt
	@touch $(STAMP)

run: venv ## Run the service with demo data on http://127.0.0.1:8080 (embedded PostgreSQL, or DATABASE_URL)
	@exec $(BIN)/python -m service demo

test: venv ## Run all tests on a PostgreSQL of their own
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term

check: format lint types test ## Everything that CI runs

format: venv ## Check the format (make format FIX=1 mends it)
	$(BIN)/ruff format $(if $(FIX),,--check) service tests

lint: venv ## Check for mistakes (make lint FIX=1 mends some)
	$(BIN)/ruff check $(if $(FIX),--fix) service tests

types: venv ## Check the types
	$(BIN)/mypy

migrate: venv ## Bring the database (embedded, or DATABASE_URL) up to date
	@exec $(BIN)/python -m service migrate

schema: venv ## Write sql/schema.sql anew from the migrations
	@$(BIN)/python -m tests.schema > sql/schema.sql.new && mv sql/schema.sql.new sql/schema.sql

bench: venv ## Measure the service beside its peers (BENCH="--help" for options)
	@$(BIN)/python -m tests.bench $(BENCH)

freshness: venv ## Change 100,000 things through one replica; each must show at the other (FRESHNESS="--help" for options)
	@$(BIN)/python -m tests.freshness --control --pairs 1000
	@$(BIN)/python -m tests.freshness $(FRESHNESS)

image: ## Build the container image (ENGINE=docker, podman or buildah; BASE=... for another base image)
	$(ENGINE) build --file deploy/Dockerfile $(if $(BASE),--build-arg BASE=$(BASE)) --tag flow-pipelines:$(VERSION) .

monitoring: $(PROMETHEUS)/promtool ## Check and test the alert rules by promtool
	$< check config deploy/monitoring/prometheus.yaml
	$< test rules deploy/monitoring/*_test.yaml

scrape: venv $(PROMETHEUS)/promtool ## Have a real Prometheus scrape a running service, and ask it all that rules and dashboard ask
	@$(BIN)/python -m tests.monitoring $(PROMETHEUS)/prometheus

.tools/prometheus/usr/bin/promtool:
	@command -v apt-get >/dev/null || { echo "make: Prometheus is needed, 2.42 or newer: put prometheus and promtool on the PATH." >&2; exit 2; }
	@echo "Unpacking Debian's prometheus into .tools; nothing is installed or started ..."
	@mkdir -p .tools/download
	@cd .tools/download && { apt-get download -qq prometheus || { apt-get update -qq && apt-get download -qq prometheus; }; }
	@dpkg-deb -x .tools/download/prometheus_*.deb .tools/prometheus

lock: venv ## Choose dependency versions anew and lock them with their hashes (UPGRADE=1: the newest)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(LOCK) -o requirements/runtime.txt
	$(LOCK) --extra tracing -c requirements/runtime.txt -o requirements/tracing.txt
	$(LOCK) --extra tracing --group development -c requirements/tracing.txt -o requirements/development.txt
	$(LOCK) --group bench -o requirements/bench.txt
