# Everything runs in .venv; PYTHON chooses the interpreter it is made with.
PYTHON ?= python3
BIN := .venv/bin
# Two at a time, each with one thread for its matrices: more would wait for one another.
TWO := OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2
# The tests of every day; the others start brokers, open a browser, train, install the package, or
# are slow.
DAILY := -m "not broker and not browser and not training and not package and not slow" \
	--ignore tests/training

# Everybody has the same versions, each file checked against its hash. (pip takes no hashes beside an
# editable package, so it installs uv alone.)
VERSIONS := requirements/development.txt
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint $(VERSIONS) --editable

.PHONY: install install-all demo check daily check-pythons test faults mutations bench lint lock audit image

install: .venv/installed

# Gigabytes more: PyTorch and what else trains, for the types and the tests of training.
install-all: .venv/installed-all

.venv/installed: pyproject.toml $(VERSIONS)
	$(PYTHON) -m venv .venv
	sed -e '/--hash=/d' -e 's/ \\$$//' $(VERSIONS) > .venv/versions.txt
	$(BIN)/pip install --quiet --constraint .venv/versions.txt uv
	$(INSTALL) '.[embedded,dashboard,dev]'
	touch $@

.venv/installed-all: .venv/installed
	$(INSTALL) '.[embedded,dashboard,dev,train]'
	touch $@

demo: install
	$(BIN)/stream-app demo

# Before every commit; two minutes on two cores, where the types are read beside the tests.
check: install-all
	$(MAKE) --no-print-directory --jobs 2 lint daily

daily: install
	$(TWO) $(DAILY)

# All of it. Whatever starts a broker or a browser has the machine to itself.
test: lint
	$(TWO) -m "not broker and not browser"
	$(BIN)/python -m pytest -m "broker or browser"

# The tests of every day on the other Pythons of this machine.
check-pythons: install
	OPENBLAS_NUM_THREADS=1 .ci/pythons -n 2 $(DAILY)

# Three nodes of Apache Kafka, workers that are killed, frozen and cut off; half an hour.
STRIKES ?= 100
SEED ?= 7
faults: install
	$(BIN)/python -m pytest tests/faults/test_faults.py -s --strikes $(STRIKES) --seed $(SEED) \
		--results bench/results/faults.json

# Each promise broken on purpose in a copy: a test must turn red.
mutations: install
	$(BIN)/python -m tests.faults.mutations

lint: install-all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy
	$(if $(wildcard mkdocs.yml),$(BIN)/mkdocs build --strict --quiet --site-dir build/site)

bench: install
	$(BIN)/python -m bench.pipeline
	$(BIN)/python -m bench.surge

# Exact versions and hashes of what ships, for every platform and Python of pyproject.toml.
# `make lock UPGRADE=--upgrade` takes the newest of all.
UPGRADE :=
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --custom-compile-command 'make lock' $(UPGRADE)

# Extras with a lock of their own: what is installed beyond development.
EXTRAS := dashboard embedded gpu otel train
ALL := $(EXTRAS) dev docs fuzz
LOCKS := build dashboard development embedded gpu otel sbom serving train

lock: install
	$(COMPILE) pyproject.toml --output-file requirements/serving.txt
	for extra in $(EXTRAS); do \
		$(COMPILE) pyproject.toml --extra $$extra --constraints requirements/serving.txt \
			--output-file requirements/$$extra.txt || exit 1; \
	done
	$(COMPILE) pyproject.toml $(addprefix --extra ,$(ALL)) --constraints requirements/serving.txt \
		--output-file requirements/development.txt
	$(COMPILE) --group sbom --output-file requirements/sbom.txt
	$(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))\
	['build-system']['requires'], sep='\n')" | $(COMPILE) - --output-file requirements/build.txt

# Known vulnerabilities of the locked versions, asked of OSV where it is reached.
audit: install
	.ci/audit $(BIN)/pip-audit $(LOCKS)

# The image, by whichever tool is there, its bill of materials and where it comes from: build/image.
# A release names its base by digest: make image BASE=docker.io/library/python@sha256:…
TOOL := $(firstword $(foreach tool,buildah podman docker,$(if $(shell command -v $(tool)),$(tool))))
BASE := $(shell sed -n 's/^ARG BASE=//p' Dockerfile)
image:
	deploy/image/build $(TOOL) $(BASE)
