# Kokoa. `make up` brings a store up; `make test` proves it. See README.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp

.PHONY: up test dev lint faults fuzz bench soak lock reset help

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

up: $(STAMP)-run  ## start PostgreSQL, NATS, two web processes and the function host with a demo tenant
	@exec $(BIN)/kokoa up

test: $(STAMP)-dev lint  ## lint, types, import rules and every test
	@$(BIN)/python -m pytest -n 2 --dist loadfile

dev: $(STAMP)-dev  ## install what tests and benchmarks need, and run nothing
	@:

lint: $(STAMP)-dev  ## ruff, mypy strict, import-linter
	@$(BIN)/ruff check src tests benchmarks examples tools
	@$(BIN)/ruff format --check src tests benchmarks examples tools
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache | tail -n 4

faults: $(STAMP)-dev  ## kill every process at every step, fill the disk, stop the servers: half an hour
	@FAULTS=complete $(BIN)/python -m pytest tests/e2e/faults

fuzz: $(STAMP)-dev  ## 5,000 made-up requests to every operation of GraphQL and REST
	@FUZZ_CASES=$${FUZZ_CASES:-3400} $(BIN)/python -m pytest tests/e2e/test_fuzz.py -s

bench: $(STAMP)-dev  ## benchmarks against their floors, printed as ratios
	@$(BIN)/python -m benchmarks

soak: $(STAMP)-dev  ## one hour of mixed load against a store of its own
	@$(BIN)/python -m benchmarks.soak

reset: $(STAMP)-run  ## remove .kokoa/ and everything in it
	@$(BIN)/kokoa reset

lock: $(STAMP)-dev  ## resolve requirements*.txt again from pyproject.toml
	@tools/lock

$(STAMP)-run: requirements.txt requirements-aws-cli.txt tools/install pyproject.toml
	@PYTHON=$(PYTHON) tools/install run

$(STAMP)-dev: $(STAMP)-run requirements-dev.txt
	@PYTHON=$(PYTHON) tools/install dev
