# Needs make and Python 3.11 or newer, nothing else: each target sets up what it uses.

PYTHON ?= python3
VENV ?= .venv
# public data sets, none of which is part of the project; absent ones are skipped with a word
DATA ?= $(or $(FM_ANOMALY_DATA),../shared/data)
# more for pytest: make test ARGS="-k windows"
ARGS ?=

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO := demo-out

.DEFAULT_GOAL := help
.PHONY: help setup demo test long notebooks lint bench evaluate samples models notices lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with the package and what development needs

$(STAMP): pyproject.toml requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "fm_anomaly needs Python 3.11 or newer; $(PYTHON) is older: make PYTHON=python3.12 …" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock -e '.[serve,postgresql,categories,encryption,tracing]'
	@touch $@

demo: $(STAMP) ## the whole thread: a log, its incidents, the store, the API, the categories
	rm -rf $(DEMO)
	$(BIN)/fm-anomaly demo --store $(DEMO)
	$(BIN)/fm-anomaly categorize data/samples/faultmaven/*.log.gz --models $(DEMO)/models
	$(BIN)/python scripts/show_alerts.py $(DEMO)

test: $(STAMP) ## tests, on all cores, without those that take minutes
	FM_ANOMALY_DATA=$(DATA) $(BIN)/python -m pytest -m "not long" -n auto --dist loadfile $(ARGS)

long: $(STAMP) ## the tests that take minutes: many more fuzzed inputs
	FM_ANOMALY_DATA=$(DATA) HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest -m long $(ARGS)

notebooks: $(STAMP) ## run the notebooks
	$(BIN)/python -m pytest -o addopts= -p no:randomly -W ignore -q --nbmake --nbmake-timeout 180 notebooks

lint: $(STAMP) ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP) ## speed and memory beside rivals, in one run, on one core
	$(BIN)/python benchmarks/scan_speed.py
	$(BIN)/python benchmarks/stages.py
	$(BIN)/python benchmarks/templating.py $(if $(wildcard $(DATA)/loghub),--data "$(DATA)/loghub")
	$(BIN)/python benchmarks/series_bank.py
	$(BIN)/python benchmarks/limits.py
	$(BIN)/python benchmarks/write_ahead.py
	$(BIN)/python benchmarks/intake.py
	$(BIN)/python benchmarks/categorize.py
	$(BIN)/python benchmarks/page_paint.py

evaluate: $(STAMP) ## quality of all corpora in one table, beside baselines; fails below a recorded floor
	$(BIN)/fm-anomaly evaluate all $(if $(wildcard $(DATA)/*),--data "$(DATA)")

samples: $(STAMP) ## write data/samples anew; the bytes must not change
	$(BIN)/python -m fm_anomaly.evaluation.bundled

models: $(STAMP) ## make models/default anew: the same bytes; the hashes belong into storage/default_models.py
	$(BIN)/python -m fm_anomaly.evaluation.own_models models/default data/samples/faultmaven

notices: $(STAMP) ## write THIRD_PARTY_NOTICES.md from what is installed
	$(BIN)/python scripts/notices.py

lock: $(STAMP) ## pin anew what development installs
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	{ head -1 requirements-dev.lock; $(BIN)/uv export --quiet --upgrade --python $(BIN)/python --group dev \
	  --extra serve --extra postgresql --extra categories --extra encryption --extra tracing --no-emit-project --no-hashes --no-header --no-annotate; } > $(VENV)/new.lock
	rm uv.lock
	mv $(VENV)/new.lock requirements-dev.lock

clean: ## remove what the targets above made
	rm -rf $(VENV) $(DEMO) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
