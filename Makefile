# Two commands: `make run` and `make test`. Both set up .venv first; only Python 3.11-3.13 is needed.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/.ready

.PHONY: run test lint types unit viz clean

run: $(READY)  ## the embedded hospital, from raw files to the report
	$(BIN)/kedro run

test: lint types unit  ## lint, types and tests

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

unit: $(READY)
	$(BIN)/pytest -n 2 --dist worksteal

viz: $(READY)  ## the pipeline, its figures and tables in the browser; opens no connection
	$(BIN)/kedro look

clean:  ## the environment and all caches; never data
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; name it with: make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(READY)
