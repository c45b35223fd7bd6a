# make demo   assess the sample studies and say where the report is
# make test   all tests
# make lint   style and types
# make screenshots   the pictures of the module again
# Each target sets up what it needs in .venv; set PYTHON to choose an interpreter (3.11 or newer).

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
OUT ?= out/demo

.PHONY: demo test lint screenshots format clean

demo: $(VENV)/.demo
	$(BIN)/wristqc assess Resources/SampleData --out $(OUT)
	@echo
	@echo "See it and try it in a browser:  $(BIN)/wristqc view"

test: $(VENV)/.dev
	@sh Testing/install_browser.sh
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

screenshots: $(VENV)/.dev
	$(BIN)/python Testing/screenshots.py

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "WristQC needs Python 3.11 or newer; say make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[models,report,viewer]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) out build dist *.egg-info
