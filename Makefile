# Needs only git, make and Python 3.11 or newer; everything else goes into $(VENV).
#
#   make demo      build, answer and score a small benchmark on simulated scenes, write a page
#   make test      run the tests
#   make quality   lint, format and type checks
#   make style     apply the fixes that can be applied by themselves
#   make bench     run the measurements that need nothing but this repository
#   make lock      rewrite constraints.txt with the newest versions allowed
#   make clean     remove the environment and everything that is made
#
# PYTHON=/path/to/python chooses the interpreter, VENV=folder another place for the environment,
# DEMO_OUT=folder another place for the page, PYTEST_ARGS="-x tests/bench" what to test,
# TEST_EXTRAS=video,eval,ray,dev,models,train also the tests that need torch.

comma := ,
VENV ?= .venv
PYTHON ?=
DEMO_OUT ?= demo
PYTEST_ARGS ?= --numprocesses=auto --maxprocesses=4 --dist=loadfile -rs
# Tests of models and training need torch (1.5 GB, several times that with GPU libraries): they are
# skipped with the reason where it is missing. An automatic check (CI is set) brings it.
TEST_EXTRAS ?= video,eval,ray,dev$(if $(CI),$(comma)models$(comma)train)
# The other measurements want upstream data or a devkit; their first lines say how to run them.
BENCHMARKS ?= benchmarks/bench_overlay_video.py benchmarks/bench_scoring.py

PYTHONS = $(PYTHON) python3.11 python3.12 python3.13 python3 python
PY = $(VENV)/bin/python
PINNED = pyproject.toml constraints.txt
CREATED = $(VENV)/.stamp-created
FOR_DEMO = $(VENV)/.stamp-demo
FOR_TEST = $(VENV)/.stamp-test
# pip's progress bars belong on a terminal, not in a log.
QUIET := $(shell test -t 2 || echo --quiet)
PIP_INSTALL = $(PY) -m pip install $(QUIET) --constraint constraints.txt

export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test quality style bench lock clean install
.DEFAULT_GOAL := test

demo: $(FOR_DEMO)
	@$(VENV)/bin/stkit-bench demo --out $(DEMO_OUT)

test: $(FOR_TEST)
	@$(PY) -m pytest $(PYTEST_ARGS)

quality: $(FOR_TEST)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

style: $(FOR_TEST)
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: $(FOR_TEST)
	@for script in $(BENCHMARKS); do \
	    echo "== $$script"; \
	    $(PY) "$$script" || exit 1; \
	done

install: $(FOR_TEST)

$(CREATED):
	@set -e; old=; bare=; chosen=; \
	for python in $(PYTHONS); do \
	    version=$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
	    if ! "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then old="$$old $$python($$version)"; continue; fi; \
	    if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then bare="$$bare $$version"; continue; fi; \
	    chosen=$$python; break; \
	done; \
	if [ -n "$$chosen" ]; then \
	    echo "Making $(VENV) with $$chosen (Python $$version)"; \
	    "$$chosen" -m venv --clear $(VENV); touch $@; \
	elif [ -n "$$bare" ]; then \
	    set -- $$bare; \
	    echo "Python $$1 is here, but its venv module is not complete." >&2; \
	    echo "On Debian and Ubuntu: sudo apt install python$$1-venv; then run make again." >&2; \
	    exit 1; \
	else \
	    echo "STKit needs Python 3.11 or newer; found:$${old:- no Python at all}." >&2; \
	    echo "Install one, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; \
	    exit 1; \
	fi

$(FOR_DEMO): $(CREATED) $(PINNED)
	@echo "Installing what the demo needs into $(VENV) (550 MB, once) ..."
	@$(PIP_INSTALL) --editable ".[video,eval]"
	@touch $@

$(FOR_TEST): $(CREATED) $(PINNED)
	@echo "Installing what the tests need into $(VENV) (about 1 GB, with torch 2.5 GB, once) ..."
	@case ",$(TEST_EXTRAS)," in *,models,*|*,train,*) \
	    $(PIP_INSTALL) "$$(grep '^torch==' constraints.txt)" ;; esac
	@$(PIP_INSTALL) --editable ".[$(TEST_EXTRAS)]"
	@touch $(FOR_DEMO) $@

# torch goes first and as pinned: asked for without a version it brings several GB of GPU
# libraries to machines that cannot use them, where a CPU build of the pinned one is at hand.
lock:
	rm -rf .venv-lock
	$(MAKE) VENV=.venv-lock .venv-lock/.stamp-created
	.venv-lock/bin/python -m pip install "$$(grep '^torch==' constraints.txt)"
	.venv-lock/bin/python -m pip install --editable ".[all,dev]"
	.venv-lock/bin/python -m pip freeze --all --exclude pip --exclude-editable > .venv-lock/frozen
	{ grep '^#' constraints.txt; \
	  sed -e 's/+[a-z0-9.]*$$//' .venv-lock/frozen | grep -Ev '^(nvidia|cuda|triton|#|-e)' | LC_ALL=C sort -f; \
	} > .venv-lock/constraints.txt
	mv .venv-lock/constraints.txt constraints.txt
	rm -rf .venv-lock

clean:
	rm -rf $(VENV) .venv-lock $(DEMO_OUT) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find stkit_datasets stkit_bench tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
