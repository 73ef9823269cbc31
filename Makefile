# Everything runs in .venv; PYTHON chooses the interpreter it is made with.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo test faults mutations bench lint lock audit

install: .venv/installed

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[embedded,dashboard,dev]'
	touch $@

demo: install
	$(BIN)/stream-app demo

test: install lint
	$(BIN)/python -m pytest

# Three nodes of Apache Kafka, workers that are killed, frozen and cut off; half an hour.
STRIKES ?= 100
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

# Exact versions and hashes of what ships, for every platform and Python of pyproject.toml.
# `make lock UPGRADE=--upgrade` takes the newest of all.
UPGRADE :=
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --custom-compile-command 'make lock' $(UPGRADE)

lock: install
	$(COMPILE) pyproject.toml --output-file requirements/serving.txt
	$(COMPILE) pyproject.toml --extra embedded --constraints requirements/serving.txt \
		--output-file requirements/embedded.txt
	$(COMPILE) pyproject.toml --extra gpu --constraints requirements/serving.txt \
		--output-file requirements/gpu.txt
	$(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))\
	['build-system']['requires'], sep='\n')" | $(COMPILE) - --output-file requirements/build.txt

# Known vulnerabilities of the locked versions, asked of PyPI. Fails where it cannot be told.
audit: install
	for name in build serving embedded gpu; do \
		$(BIN)/pip-audit --strict --disable-pip --require-hashes \
			--requirement requirements/$$name.txt || exit 1; \
	done
