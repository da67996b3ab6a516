# demo: the whole loop on real data.  test: every check.  Both set up what they need in .venv.
.DEFAULT_GOAL := help
.PHONY: help demo test test-full lint check-types check-imports requirements serve clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
export PYTHONHASHSEED ?= 0

help:
	@echo "make demo       load real data, train, serve, ask for an offer, show it (a few minutes)"
	@echo "make test       ruff, mypy --strict, import-linter, pytest (some minutes on 2 cores)"
	@echo "make test-full  the same with every property at its full number of examples; says how long it took"

# The environment is made anew when the requirements change; uv comes by pip, everything else by hash.
$(VENV)/.ready: requirements/dev.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements/dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

demo: $(VENV)/.ready
	$(BIN)/lagniappe demo $(shell test -t 0 || echo --once)

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

check-types: $(VENV)/.ready
	$(BIN)/mypy

check-imports: $(VENV)/.ready
	$(BIN)/lint-imports --no-cache

test: lint check-types check-imports
	$(PYTEST) --numprocesses=2 --dist=loadfile

test-full: lint check-types check-imports
	LAGNIAPPE_TESTS=full $(PYTEST) --numprocesses=2 --dist=loadfile --durations=20

# Pins: run after a change of dependencies in pyproject.toml.
COMPILE := $(BIN)/uv pip compile pyproject.toml --generate-hashes --no-header --no-emit-index-url --quiet
requirements: $(VENV)/.ready
	$(COMPILE) --extra train --extra dev --extra bench -o requirements/dev.txt
	$(COMPILE) --extra train --extra spark -c requirements/dev.txt -o requirements/spark.txt
	$(COMPILE) --extra train -c requirements/dev.txt -o requirements/train.txt
	$(COMPILE) --extra train --extra bench -c requirements/dev.txt -o requirements/bench.txt
	$(COMPILE) -c requirements/dev.txt -o requirements/serving.txt

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
