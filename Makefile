# Everything a newcomer needs; each target sets up all that it uses.
#   make demo    the whole job on the sample episode
#   make test    the default test suite (also in a real browser), about ten minutes on two cores
#   make slow    the tests that take longer than twenty seconds each: as long again, twice
#   make check   lint, types, layers
#   make lab     JupyterLab on your own copies of the notebooks
#   make torture every fault suite with its full count: hours; results into tests/torture/results
#   make bench   ratios against the field's own tools, in one run
#   make all     additionally the packages that only the reference engines need (Python < 3.13)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
STAMPS := $(VENV)/.stamps
# Processors are shared between processes, not between the threads of each.
export OMP_NUM_THREADS ?= 1

.PHONY: demo test slow torture check lab bench all clean
.DELETE_ON_ERROR:

$(BIN)/python:
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info[:2] < (3, 14), "finishkit needs Python 3.11, 3.12 or 3.13; set PYTHON=..."'
	$(PYTHON) -m venv $(VENV)

$(STAMPS)/run: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -q -c constraints.txt -e '.[lab,models,review]'
	@mkdir -p $(@D) && touch $@

$(STAMPS)/dev: pyproject.toml constraints.txt $(STAMPS)/run
	$(PIP) install -q -c constraints.txt axe-playwright-python distributed hatchling hypothesis import-linter insightface nbstripout onnx onnxruntime openvino playwright pre-commit pyright pytest pytest-xdist ruff
	@mkdir -p $(@D) && touch $@

# Debian's own Chromium: Playwright's download of a browser is not needed and not asked for.
$(STAMPS)/browser: | $(BIN)/python
	@if command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && apt-get install -y -qq chromium fonts-dejavu; \
	else echo "No chromium here: browser tests will be skipped. Install it with: sudo apt-get install chromium"; fi
	@mkdir -p $(@D) && touch $@

demo: $(STAMPS)/run
	$(BIN)/finishkit demo --out demo

PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=60 --durations-min=4

test: $(STAMPS)/dev $(STAMPS)/browser
	$(PYTEST) -m "not slow"

slow: $(STAMPS)/dev $(STAMPS)/browser
	$(PYTEST) -m slow

# One alone: make torture SUITES=kills
torture: $(STAMPS)/dev
	$(BIN)/python -m tests.torture $(SUITES)

check: $(STAMPS)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/nbstripout --verify --keep-id --extra-keys "metadata.papermill cell.metadata.papermill" notebooks/*.ipynb

lab: $(STAMPS)/run
	$(BIN)/finishkit lab

# Some rows: make bench ROWS="B1 B2"; the field's packages elsewhere: FINISHKIT_BENCH_PEERS=.../python
bench: $(STAMPS)/run
	$(BIN)/python bench/run.py $(ROWS)

all: $(STAMPS)/run
	$(PIP) install -c constraints.txt -e '.[all]'

clean:
	rm -rf $(VENV) demo runs
