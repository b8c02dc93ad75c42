# make demo    a trained system, evaluated, with slates and a report, from a fresh clone
# make test    everything that must hold before a change is taken: make lint and make tests, side by side
# make browser a Chromium, for the tests of the first page: the one without a window, by apt, where there is none
# make reference  the Python interface as pages, in build/reference, its links checked
# Another Python:  make test PYTHON=/path/to/python3.12
# Fewer processes: make test WORKERS=1  (0: all in one; usual: as many as there are processors)

VENV  := .venv
BIN   := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTHON ?=
WORKERS ?= auto
# Processes that the tests start read what the first of them compiled.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test tests lint format reference browser install clean

demo: $(STAMP)
	$(BIN)/polyscene demo

test: $(STAMP)
	@$(MAKE) --no-print-directory --jobs 2 lint tests

tests: $(STAMP)
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

reference: $(STAMP)
	$(BIN)/python docs/build_reference.py build/reference

browser:
	@for name in "$$CHROMIUM" chromium-headless-shell; do \
		if [ -n "$$name" ] && command -v "$$name"; then exit 0; fi; \
	done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get -qq update && \
		apt-get -qq install -y --no-install-recommends chromium-headless-shell >/dev/null; then \
		command -v chromium-headless-shell; exit; \
	fi; \
	for name in chromium chromium-browser google-chrome google-chrome-stable; do \
		command -v "$$name" && exit 0; \
	done; \
	echo "error: expected a Chromium, found none; install one, or name one: CHROMIUM=/path/to/chromium" >&2; exit 2

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@found=; for python in "$(PYTHON)" python3.11 python3.12 python3.13 python3; do \
		if [ -n "$$python" ] && "$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			found="$$python"; break; \
		fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "error: expected Python 3.11 or later, found none; install it, or name one: make PYTHON=..." >&2; exit 2; \
	fi; \
	test -x $(BIN)/python || { echo "making $(VENV) with $$("$$found" --version)"; "$$found" -m venv $(VENV); }
	@echo "installing Polyscene and its parts, in the versions of constraints.txt: a few minutes the first time"
	@$(BIN)/python -m pip install -qq --no-compile --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
