PYTHON ?= python3
IN = .venv/bin
PIP = $(IN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: run test check fix serve platform bench soak fuzz lock clean

run: .venv/.preview  ## put a chair into a room and a new room around it; the pictures are in outputs/
	@$(IN)/python rp_handler.py
	@$(IN)/python rp_handler.py --test_input "$$(cat examples/generate.json)"

test: .venv/.dev  ## everything that can be tested on this machine
	$(IN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

check: .venv/.dev  ## format, lint, types
	$(IN)/ruff format --check .
	$(IN)/ruff check .
	$(IN)/mypy

fix: .venv/.dev  ## format, and mend what ruff can
	$(IN)/ruff format .
	$(IN)/ruff check --fix .
	$(IN)/python -m schemas.settings
	$(IN)/python docs/reference.py

serve: .venv/.preview  ## OpenAI's images API and the job actions on http://localhost:8000
	@grep -qs '^HOST=' .env || export HOST=$${HOST:-127.0.0.1}; $(IN)/python server.py

platform: .venv/.preview  ## a double of RunPod's job API on http://localhost:8100, with a worker behind it
	$(IN)/python -m local_platform

bench: .venv/.dev  ## placement and restoring against ground truth; what they, a job, a start and a busy worker cost
	$(IN)/python -m bench.placement
	$(IN)/python -m bench.restore
	$(IN)/python -m bench.stages
	$(IN)/python -m bench.overhead
	$(IN)/python -m bench.callers
	$(IN)/python -m bench.cold_start
	$(IN)/python -m bench.throughput

soak: .venv/.dev  ## 2,000 mixed jobs through the real SDK loop: is every one answered once? And cards that are lost
	$(IN)/python -m bench.soak
	$(IN)/python -m pytest -m long --timeout 1200

fuzz: .venv/.dev  ## 20,000 malformed inputs; what fails is kept in tests/seeds
	FUZZ_EXAMPLES=10000 $(IN)/python -m pytest tests/test_fuzz.py --timeout 7200

lock:  ## pins and hashes of all that the requirements need, anew
	for name in requirements-preview requirements; do \
	  echo "# All of $$name.txt with what it needs, and the hashes of its files: \`make lock\`." > $$name.lock.new && \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	      --no-emit-index-url $$name.txt >> $$name.lock.new && \
	  mv $$name.lock.new $$name.lock || { rm -f $$name.lock.new; exit 1; }; \
	done

clean:
	rm -rf .venv outputs

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.preview: requirements-preview.lock | .venv/bin/python
	$(PIP) --require-hashes -r requirements-preview.lock
	@touch $@

.venv/.dev: requirements-dev.txt requirements.txt requirements-preview.txt deploy/requirements-ray.txt | .venv/bin/python
	$(PIP) -r requirements-dev.txt
	@touch $@ .venv/.preview
