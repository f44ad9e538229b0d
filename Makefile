# `make run` and `make test` do everything on a machine with Python 3.11+ and make. Both are quick the second time:
# the stamp files inside .venv are renewed only when pyproject.toml or constraints.txt change.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: run test picture clean
.DELETE_ON_ERROR:

run: $(VENV)/.installed
	$(BIN)/cascade run

test: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2

# The picture in README.md, made by the program: the default scenario, seed 1.
picture: $(VENV)/.installed
	$(BIN)/cascade run flash-crash --out build/picture --overwrite
	mkdir -p docs/pictures
	cp build/picture/picture.svg docs/pictures/flash-crash.svg

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis build dist

$(VENV)/.created:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.11 or newer, or say make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and "Python 3.11 or newer is needed, $(PYTHON) is %d.%d; say make PYTHON=/path/to/python" % v[:2])'
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

# The build tools are installed first, at pinned versions, so that building the package fetches nothing else.
$(VENV)/.installed: $(VENV)/.created pyproject.toml constraints.txt
	$(PIP) hatchling editables
	$(PIP) --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) --no-build-isolation -e '.[dev]'
	@touch $@
