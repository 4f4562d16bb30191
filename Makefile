# make demo    set up, then train and compare detectors on the embedded data
# make test    set up, lint, then run all tests
# make install set up a virtual environment .venv in this folder
# make docs    set up, then write the documentation to site/
# make lint    run ruff and mypy, and check the direction of the imports
PYTHON ?= python3
BIN := .venv/bin
# Two jobs with as many threads as processors slow each other down tenfold.
export OMP_NUM_THREADS ?= 1

.PHONY: install demo test docs lint clean

install: .venv/installed

.venv/installed: setup.py constraints.txt
	@echo 'Setting up .venv: downloads torch and MMDetection, minutes, 6 GB on disk.'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[lite,demo,report,test]'
	touch $@

demo: install
	$(BIN)/spatialattn demo

test: install lint
	$(BIN)/python -m pytest -n auto

docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf .venv build site *.egg-info
