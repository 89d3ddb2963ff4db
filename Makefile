# On a new machine: `make demo` (without torch) and `make test`.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
DEMO_ENV := .venv-demo
TEST_ENV := .venv
MINIMUM_ENV := .venv-minimum
UPSTREAM_ENV := .venv-upstream
DEMO_OUT ?= build/demo

# -qq: only errors of pip. The configuration of pip decides between the CPU and CUDA builds of torch.
PIP_INSTALL := -m pip install -qq --no-input --disable-pip-version-check -c constraints.txt
PINS := pyproject.toml constraints.txt
# Folder of the real data; tests that need it are skipped without.
export XSM_DATA ?= $(abspath ../shared/data)
AMSR2 ?= $(XSM_DATA)/amsr2_lprm/lprm_amsr2_x_descending_201504_partial.nc

.DEFAULT_GOAL := help
.PHONY: help demo test fuzz test-minimum test-upstream lint format docs train-gapfill train-estimate benchmarks tables clean

help:
	@echo 'make demo           install xsm without torch; fill, estimate and validate the embedded dataset'
	@echo 'make test           install the test requirements (torch, triton) and run all tests'
	@echo 'make test-minimum   the tests with the lowest versions that pyproject.toml allows'
	@echo 'make test-upstream  the tests with the newest pre-releases of the dependencies'
	@echo 'make fuzz           fill, estimate, validate and open records of any form, 1,450 of them'
	@echo 'make lint           ruff, mypy and import-linter'
	@echo 'make format         format the files with ruff'
	@echo 'make docs           build the documentation into build/docs'
	@echo 'make train-gapfill  train the shipped gap-filling weights'
	@echo 'make train-estimate train the shipped estimator, on a simulated Earth'
	@echo 'make benchmarks     measure skill, speed and import time into benchmarks/results'
	@echo 'make tables         write the measured tables into README.md and docs'
	@echo 'make clean          remove environments, caches and build outputs'

# $(call environment,FOLDER,EXTRAS): a virtual environment with xsm in it, editable.
define environment
	@test -n "$(PYTHON)" || { echo 'No python3 found: apt install python3 python3-venv'; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'xsm needs Python 3.11 or newer: make PYTHON=python3.11 ...'; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make virtual environments: apt install python3-venv"; exit 1; }
	@echo 'Installing xsm[$(2)] into $(1) (a few minutes the first time)'
	@test -x $(1)/bin/python || $(PYTHON) -m venv $(1)
	@$(1)/bin/python $(PIP_INSTALL) --log $(1)/pip.log -e '.[$(2)]' || \
	  { echo 'pip failed: see $(1)/pip.log'; exit 1; }
	@touch $@
endef

$(DEMO_ENV)/.installed: $(PINS)
	$(call environment,$(DEMO_ENV),plot)

$(TEST_ENV)/.installed: $(PINS)
	$(call environment,$(TEST_ENV),dev)

$(TEST_ENV)/.docs: $(TEST_ENV)/.installed
	$(call environment,$(TEST_ENV),docs)

demo: $(DEMO_ENV)/.installed
	@$(DEMO_ENV)/bin/python -m xsm.demo --out $(DEMO_OUT)

# Processes that run tests at once.
WORKERS ?= 2
test: $(TEST_ENV)/.installed
	$(TEST_ENV)/bin/python -m pytest -q --durations=10 -n $(WORKERS) --dist worksteal

# TESTS=tests/conventions runs a part of them. Warnings of old and coming versions are not errors.
TESTS ?=
COMPATIBILITY := -m pytest -q -W default -p no:cacheprovider --durations=5 $(TESTS)
# Packages that are taken as pre-releases; the others as they are.
UPSTREAM := xarray numpy pandas dask zarr numba scipy netCDF4 cf-xarray pint

test-minimum:
	@test -x $(MINIMUM_ENV)/bin/python || $(PYTHON) -m venv $(MINIMUM_ENV)
	@$(MINIMUM_ENV)/bin/python .ci/lowest_versions.py test >$(MINIMUM_ENV)/lowest.txt
	@$(MINIMUM_ENV)/bin/python -m pip install -qq --no-input --disable-pip-version-check \
	  --log $(MINIMUM_ENV)/pip.log -c $(MINIMUM_ENV)/lowest.txt -e '.[test]'
	$(MINIMUM_ENV)/bin/python $(COMPATIBILITY)

test-upstream:
	@test -x $(UPSTREAM_ENV)/bin/python || $(PYTHON) -m venv $(UPSTREAM_ENV)
	@$(UPSTREAM_ENV)/bin/python -m pip install -qq --no-input --disable-pip-version-check \
	  --log $(UPSTREAM_ENV)/pip.log -e '.[test]'
	@$(UPSTREAM_ENV)/bin/python -m pip install -qq --no-input --disable-pip-version-check \
	  --log $(UPSTREAM_ENV)/pip.log --pre --upgrade $(UPSTREAM)
	$(UPSTREAM_ENV)/bin/python -c 'import xsm; xsm.show_versions()'
	$(UPSTREAM_ENV)/bin/python $(COMPATIBILITY)

# EXAMPLES=20000 for a long run.
EXAMPLES ?= 1000
FUZZ := tests/test_gapfill_fuzz.py $(addprefix tests/,estimation/test_estimate_fuzz.py \
  validation/test_validate_fuzz.py opening/test_open_record_fuzz.py)
fuzz: $(TEST_ENV)/.installed
	XSM_FUZZ_EXAMPLES=$(EXAMPLES) $(TEST_ENV)/bin/python -m pytest -q -n $(WORKERS) --dist worksteal $(FUZZ)

lint: $(TEST_ENV)/.installed
	$(TEST_ENV)/bin/ruff check .
	$(TEST_ENV)/bin/ruff format --check .
	$(TEST_ENV)/bin/mypy
	$(TEST_ENV)/bin/lint-imports --no-cache

format: $(TEST_ENV)/.installed
	$(TEST_ENV)/bin/ruff check --fix .
	$(TEST_ENV)/bin/ruff format .

# The examples of all pages, then the site, whose tutorials run in kernels of this environment.
docs: $(TEST_ENV)/.docs
	$(TEST_ENV)/bin/python docs/run_examples.py
	NUMBA_NUM_THREADS=2 $(TEST_ENV)/bin/sphinx-build -q -W --keep-going docs build/docs

# NETWORK=sgd-sm trains the other network; TRAIN_WITH='--device cuda --workers 14 --batch-size 16' on a GPU.
NETWORK ?= default
TRAIN = $(TEST_ENV)/bin/python -m xsm.training.recipes.shipped_gapfill --network $(NETWORK) --amsr2 $(AMSR2) $(TRAIN_WITH)
train-gapfill: $(TEST_ENV)/.installed
	$(TRAIN) --out build/weights/retrieval
	$(TRAIN) --out build/weights/$(NETWORK) --start build/weights/retrieval \
	  --truth --steps 1500 --learning-rate 1e-3 --seed 5

train-estimate: $(TEST_ENV)/.installed
	$(TEST_ENV)/bin/python -m xsm.training.recipes.shipped_estimator --out build/weights/atlstm $(TRAIN_WITH)

benchmarks: $(TEST_ENV)/.installed
	$(TEST_ENV)/bin/python -m benchmarks.skill.gapfill --data amsr2 --model default sgd-sm
	$(TEST_ENV)/bin/python -m benchmarks.skill.gapfill --data osse --model default sgd-sm
	$(TEST_ENV)/bin/python -m benchmarks.skill.consistency
	$(TEST_ENV)/bin/python -m benchmarks.skill.throughput
	$(TEST_ENV)/bin/python -m benchmarks.skill.estimate_osse
	$(TEST_ENV)/bin/python -m benchmarks.skill.estimate_experiments
	$(TEST_ENV)/bin/python -m benchmarks.skill.smap_left_out
	$(TEST_ENV)/bin/python -m benchmarks.skill.fusion
	$(TEST_ENV)/bin/python -m benchmarks.skill.no_harm
	$(TEST_ENV)/bin/python -m benchmarks.speed
	$(TEST_ENV)/bin/python -m benchmarks.speed.recurrent
	$(TEST_ENV)/bin/python -m benchmarks.speed.peak_memory
	$(TEST_ENV)/bin/python -m benchmarks.validation.metrics_speed
	$(TEST_ENV)/bin/python -m benchmarks.validation.worked_example
	$(TEST_ENV)/bin/python -m benchmarks.speed.import_time
	$(TEST_ENV)/bin/python -m benchmarks.speed.first_call
	$(TEST_ENV)/bin/python -m benchmarks.scale

tables: $(TEST_ENV)/.installed
	$(TEST_ENV)/bin/python -m benchmarks.tables

clean:
	rm -rf $(DEMO_ENV) $(TEST_ENV) $(MINIMUM_ENV) $(UPSTREAM_ENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
