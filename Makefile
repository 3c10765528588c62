# make demo    ask the embedded model about pictures; writes superlens-demo/gallery.html
# make test    the tests
# make check   ruff and the house rules
# make python  the Python that would be used
#
# Each creates .venv and installs Superlens into it, once; later calls start at once.
# PYTHON=/path/to/python3.12 picks another Python.
# PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu" gets the small torch, without CUDA, on Linux.

PYTHON    ?=
PIP_FLAGS ?=
BIN       := .venv/bin
READY     := .venv/superlens-installed
NEEDS     := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

FIND_PYTHON := for name in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python); do \
	if "$$name" -c '$(NEEDS)' >/dev/null 2>&1; then command -v "$$name"; exit 0; fi; done; \
	echo "Superlens needs Python 3.11 or newer, with venv and pip: install it (on Debian also python3-venv)," \
	"or name one: make PYTHON=/path/to/python3.12" >&2; exit 1

.PHONY: demo test check python

demo: $(READY)
	$(BIN)/superlens demo

# Two processes of one thread each, a file of tests in one of them. glibc hands large blocks back to the system at once and asks for them
# again at the next step; here it keeps them.
test: $(READY)
	OMP_NUM_THREADS=1 MALLOC_MMAP_THRESHOLD_=1000000000 MALLOC_TRIM_THRESHOLD_=1000000000 $(BIN)/python -m pytest -n 2 --dist loadfile

check: $(READY)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m pytest tests/test_house.py

python:
	@$(FIND_PYTHON)

$(READY): pyproject.toml constraints.txt
	@$(BIN)/python -c 'import pip; $(NEEDS)' >/dev/null 2>&1 || \
	{ python=$$($(FIND_PYTHON)) && echo "creating .venv with $$python" && "$$python" -m venv --clear .venv; }
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt -e '.[test]'
	@touch $(READY)
