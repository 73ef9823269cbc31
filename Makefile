# Everything runs in .venv; PYTHON chooses the interpreter it is made with.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo test faults mutations bench lint

install: .venv/installed

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[embedded,dev]'
	touch $@

demo: install
	$(BIN)/stream-app demo

test: install lint
	$(BIN)/python -m pytest

# Three nodes of Apache Kafka, workers that are killed, frozen and cut off; half an hour.
STRIKES ?= 128
SEED ?= 7
faults: install
	$(BIN)/python -m pytest tests/faults/test_faults.py -s --strikes $(STRIKES) --seed $(SEED) \
		--results bench/results/faults.json

# Each promise broken on purpose in a copy: a test must turn red.
mutations: install
	$(BIN)/python -m tests.faults.mutations

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: install
	$(BIN)/python -m bench.pipeline
	$(BIN)/python -m bench.surge
