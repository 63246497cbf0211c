# `make quickstart` and `make test` need only Python 3.11 or later: each sets up .venv when it is missing or stale.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: quickstart test test-slow check format docs bench clean

.venv/.ready: pyproject.toml constraints.txt tl_keras/version.py
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tl_keras needs Python 3.11 or later: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

quickstart: .venv/.ready
	PATH="$(CURDIR)/$(BIN):$$PATH" configs/quickstart.sh

# Those that need no TensorFlow first: they are done in seconds.
test: .venv/.ready
	$(BIN)/python -m pytest -n 2 --dist worksteal -m 'not slow and not tf'
	$(BIN)/python -m pytest -n 2 --dist worksteal -m 'not slow and tf'

test-slow: .venv/.ready
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow

check: .venv/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: .venv/.ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Settings and commands, as the program says them; a test holds that they are current.
docs: .venv/.ready
	$(BIN)/python docs/generate.py

# With SIGN_DIGITS, ANTS_BEES and CIFAR10 set to folders of these images, and KERAS_HOME to one with ImageNet weights,
# also the figures of features computed once (40 minutes).
bench: .venv/.ready
	$(BIN)/python benchmarks/startup.py
	$(if $(CIFAR10),$(BIN)/python benchmarks/features.py --sign-digits $(SIGN_DIGITS) --ants-bees $(ANTS_BEES) --cifar10 $(CIFAR10))

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
