# Everything runs in .venv, which the first target that needs it makes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-slow test-network test-gpu test-browser lint format bench clean

demo: $(READY)
	$(BIN)/lorify ask demo/harbour-museum.md --compare --max-tokens 40 < demo/questions.txt

test: $(READY)
	$(BIN)/pytest -m "not slow and not network and not gpu and not browser"

test-slow: $(READY)
	$(BIN)/pytest -m "slow"

test-network: $(READY)
	$(BIN)/pytest -m "network"

test-gpu: $(READY)
	$(BIN)/pytest -m "gpu"

test-browser: $(READY)
	$(BIN)/pytest -m "browser"

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)
	for file in benchmarks/*.py; do $(BIN)/python $$file || exit 1; done

clean:
	rm -rf $(VENV)

# A stamp, so that an installation that broke off is done again, and so is one whose requirements changed.
$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check "torch==2.13.0"
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@
