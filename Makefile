# Every target sets up what it needs by itself, in .venv; nothing else has to be run first.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# Arguments of the benchmark, for example: make bench BENCH="--copies 4 --formats csv,parquet"
BENCH ?=

.DEFAULT_GOAL := help
.PHONY: help install servers demo check test bench clean

help:  ## This list
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /make \1\t/' | expand -t 16

$(STAMP): pyproject.toml
	$(PYTHON) -m venv .venv
	PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --disable-pip-version-check -e '.[file-based,fast,s3,gcs,azure,sftp,http,schema-inferrer,dev]'
	@touch $(STAMP)

install: $(STAMP)  ## Set up .venv with the package, its extras and the tools

servers:  ## The storage servers of the tests that pip cannot install: Azurite, sshd
	@unit_tests/servers/install.sh

demo: $(STAMP)  ## Read the files under examples/: discover, a full sync, an incremental one
	@$(BIN)/python examples/demo.py

check: $(STAMP)  ## Style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check servers  ## Everything that CI runs
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder unit_tests/published unit_tests  # what takes longest first

bench: $(STAMP)  ## Compare with the original and with DuckDB; downloads both into .bench/
	@$(BIN)/python benchmarks/bench.py $(BENCH)

clean:  ## Remove .venv, .published, .bench and the caches
	rm -rf .venv .servers .published .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
