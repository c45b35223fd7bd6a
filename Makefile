# make demo   assess the sample studies and say where the report is
# make test   all tests
# make lint   style and types
# make screenshots   the pictures of the module again
# make reproduce   simulate, train, export and evaluate in small; figures to compare in training/README.md
# Each target sets up what it needs in .venv; set PYTHON to choose an interpreter (3.11 or newer).

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
OUT ?= out/demo
SMALL := out/small

.PHONY: demo test lint screenshots reproduce format clean

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

# One thread for each process: the simulator and the training's loader are processes of their own.
reproduce: export OMP_NUM_THREADS = 1
reproduce: $(VENV)/.dev
	$(BIN)/python -m training.simulate corpus --out $(SMALL)/corpus --frontal 400 --lateral 400 --seed 7 --val-fraction 0.2
	$(BIN)/python -m training.simulate corpus --out $(SMALL)/benchmark --frontal 60 --lateral 60 --seed 9007 --val-fraction 1 --exposures 1
	$(BIN)/python -m training.train --config training/configs/small_keypoints.json --data $(SMALL)/corpus --out $(SMALL)/run
	$(BIN)/python -m training.export --run $(SMALL)/run --data $(SMALL)/corpus --models $(SMALL)/models --version 0 --limit 80
	$(BIN)/python -m training.evaluate --data $(SMALL)/benchmark --models $(SMALL)/models --out $(SMALL)/evaluation
	@echo
	@echo "Compare $(SMALL)/evaluation/evaluation.md with the table in training/README.md."

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
