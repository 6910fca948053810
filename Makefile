PYTHON ?= python3
IN = .venv/bin
PIP = $(IN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: run test check fix serve platform bench clean

run: .venv/.preview  ## put a chair into a room and a room around a lamp; the pictures are in outputs/
	@$(IN)/python rp_handler.py
	@$(IN)/python rp_handler.py --test_input "$$(cat examples/generate.json)"

test: .venv/.dev  ## everything that can be tested on this machine
	$(IN)/python -m pytest

check: .venv/.dev  ## format, lint, types
	$(IN)/ruff format --check .
	$(IN)/ruff check .
	$(IN)/mypy

fix: .venv/.dev  ## format, and mend what ruff can
	$(IN)/ruff format .
	$(IN)/ruff check --fix .
	$(IN)/python -m schemas.settings

serve: .venv/.preview  ## OpenAI's images API and the job actions on http://localhost:8000
	$(IN)/python server.py

platform: .venv/.preview  ## a double of RunPod's job API on http://localhost:8100, with a worker behind it
	ENGINE=$${ENGINE:-preview} $(IN)/python -m local_platform

bench: .venv/.dev  ## placement and restoring scored against ground truth, and what they cost
	$(IN)/python -m bench.placement
	$(IN)/python -m bench.restore
	$(IN)/python -m bench.stages
	$(IN)/python -m bench.callers
	$(IN)/python -m bench.cold_start
	$(IN)/python -m bench.throughput

clean:
	rm -rf .venv outputs

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.preview: requirements-preview.txt | .venv/bin/python
	$(PIP) -r requirements-preview.txt
	@touch $@

.venv/.dev: requirements-dev.txt requirements.txt requirements-preview.txt | .venv/bin/python
	$(PIP) -r requirements-dev.txt
	@touch $@ .venv/.preview
