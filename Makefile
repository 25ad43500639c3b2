# The two commands of a newcomer: `make demo` and `make test`. Both install what they need into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check proof clean

demo: $(VENV)/.demo  ## install, train on drawn faces, show where the pictures are
	$(BIN)/leafwing demo --out demo

test: $(VENV)/.dev check  ## install, lint, types, tests, a shortened demo
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal
	$(BIN)/python -m pytest -q -m gpu  # none of them without a GPU
	sh tests/short_demo.sh $(BIN)

check: $(VENV)/.dev  ## lint and types
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/ruff format --check src tests benchmarks examples
	$(BIN)/mypy

proof: $(VENV)/.dev  ## minutes to an hour: a thousand kills, ten thousand flipped bits, two hundred signals, and longer trainings
	$(BIN)/python -m pytest -m proof

$(VENV)/.demo: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[video]"
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) demo build dist
