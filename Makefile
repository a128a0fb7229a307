# Two commands are enough: `make run` and `make test`. Both set up .venv first, once.

PYTHON ?= python3
PIP_ARGS ?=
BIN := .venv/bin
STAMP := .venv/.installed
# Every model that a test builds asks for memory anew; glibc keeps what was freed (docs/performance.md).
KEEP_MEMORY := MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=1073741824
# Else each worker compiles all tests anew.
KEEP_COMPILED := PYTHONDONTWRITEBYTECODE=
PYTEST := $(KEEP_MEMORY) $(KEEP_COMPILED) $(BIN)/python -m pytest -n auto --dist worksteal -q

.PHONY: help setup run test test-all corpus lint format types docs check fix clean

help:            ## List the targets.
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 10

setup: $(STAMP)  ## Create .venv and install the project with both frameworks.

# Only a changed pyproject.toml installs anew; a half-made .venv has no stamp and is made again.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) --editable '.[all,dev]'
	@touch $@

run: $(STAMP)    ## Train the scenarios in both frameworks and compare them, level by level.
	@$(BIN)/parity run

test: $(STAMP)   ## Run the test suite without its long tests, on all cores.
	@$(PYTEST) -m "not long"

test-all: $(STAMP) ## Run all tests: also those that check, train and sweep whole programs.
	@$(PYTEST)

corpus: $(STAMP) ## Check all ports of tests/corpus: hours; right ones pass, wrong ones are caught.
	@$(BIN)/python benchmarks/accuracy/corpus.py

lint: $(STAMP)   ## Report what ruff finds, and what has outgrown [tool.size].
	@$(BIN)/ruff check .
	@$(BIN)/python scripts/size.py

format: $(STAMP) ## Report files that ruff would format otherwise.
	@$(BIN)/ruff format --check .

types: $(STAMP)  ## Check the types.
	@$(BIN)/mypy

docs: $(STAMP)   ## Build the documentation site, build/docs/index.html; a warning is an error.
	@$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/docs

check: lint format types docs test  ## All of the above.

fix: $(STAMP)    ## Let ruff repair and format, and lower the sizes of pyproject.toml to what is left.
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/python scripts/size.py --lower

clean:           ## Remove .venv and what tools leave behind.
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
