# Everything runs in .venv, which tools/install.sh makes and keeps up to date.
# Overrides: PYTHON (3.11 or 3.12), VENV, TORCH_SPEC, JOBS (test processes).

VENV ?= .venv
JOBS ?= 2
RUN := $(VENV)/bin/python
export VENV

.PHONY: help env demo test docs lint format doctor clean

help:
	@echo 'make demo    install, then synthetic data, training, report'
	@echo 'make test    install, then the whole test suite'
	@echo 'make docs    build the documentation into site/'
	@echo 'make lint    ruff check and ruff format --check'
	@echo 'make format  let ruff rewrite the files'
	@echo 'make doctor  what is wrong with this environment'
	@echo 'make clean   remove .venv, site and the caches, keep work_dirs'

env:
	@bash tools/install.sh

demo: env
	PYTHONWARNINGS=ignore $(RUN) projects/SyntheticNuScenes/demo/demo.py

# One thread per process, so that JOBS processes share the cores evenly.
test: env
	OMP_NUM_THREADS=1 $(RUN) -m pytest -q -n $(JOBS) --dist loadfile \
		--durations=15 </dev/null

# Versions that mmocc runs on stay as they are.
docs: env
	$(RUN) -m pip install -q --disable-pip-version-check \
		-c requirements/runtime.txt -r requirements/docs.txt
	$(RUN) -m mkdocs build

lint: env
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

format: env
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

doctor: env
	$(RUN) tools/doctor.py

clean:
	rm -rf $(VENV) $(VENV).lock site .pytest_cache .ruff_cache *.egg-info
