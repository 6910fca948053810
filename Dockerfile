# One image, two roles: the worker of RunPod's queue (default) and the HTTP server (`python server.py`). docs/deploy.md
# The digest of Python 3.11.16's image for every architecture. A newer one: docker buildx imagetools inspect NAME
FROM python:3.11-slim-bookworm@sha256:528257d48c1da0dcecc2e725d1ae34498d60c965f1241e39cd6a85a8859bdf84

# The name of a lock: requirements, or requirements-preview for a CPU.
ARG REQUIREMENTS=requirements
# Weights in the image: none, loras (1.7 GB, which a cached model does not include), or baked (the model too, 59 GB).
# A preview image has none.
ARG WEIGHTS=loras
# 1: with a C compiler, which the setting COMPILE=1 needs. CUDA's libraries come with torch.
ARG COMPILE=0

WORKDIR /app

RUN if [ "$COMPILE" = 1 ]; then \
      apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*; \
    fi

# A lock is installed as a list: uv resolves nothing, and is removed afterwards.
COPY requirements-uv.lock ${REQUIREMENTS}.lock ./
RUN pip install --no-cache-dir --only-binary :all: --require-hashes -r requirements-uv.lock && \
    uv pip install --system --no-cache --compile-bytecode --only-binary :all: --no-deps --require-hashes \
      -r "$REQUIREMENTS.lock" && \
    pip uninstall --yes uv

ENV QWEN_MODEL_DIR=/models
RUN mkdir -p "$QWEN_MODEL_DIR" && case "$REQUIREMENTS $WEIGHTS" in \
      "requirements-preview loras" | *" none") ;; \
      *" loras" | *" baked") \
        hf download lightx2v/Qwen-Image-Edit-2511-Lightning \
          Qwen-Image-Edit-2511-Lightning-4steps-V1.0-bf16.safetensors \
          Qwen-Image-Edit-2511-Lightning-8steps-V1.0-bf16.safetensors \
          --revision d74eba145674fd7e31b949324e148e21e7118abd \
          --local-dir "$QWEN_MODEL_DIR/lightx2v/Qwen-Image-Edit-2511-Lightning" ;; \
      *) echo "WEIGHTS: $WEIGHTS is not none, loras or baked" >&2; exit 1 ;; \
    esac
RUN if [ "$WEIGHTS" = baked ]; then \
      hf download Qwen/Qwen-Image-Edit-2511 \
        --revision 6f3ccc0b56e431dc6a0c2b2039706d7d26f22cb9 \
        --local-dir "$QWEN_MODEL_DIR/Qwen/Qwen-Image-Edit-2511"; \
    fi

# The user of the HTTP role; a new volume gets the folder's owner.
RUN useradd --uid 10001 --create-home worker && install -d -o worker -g worker /runpod-volume/huggingface-cache

# RunPod caches an endpoint's model in this folder; elsewhere a volume is mounted at /runpod-volume. The SDK's default
# log level prints pictures. RunPod gives up on a worker that is not ready after seven minutes. Photos have many sizes:
# without expandable segments, memory freed by one is too short for the next.
ENV HF_HOME=/runpod-volume/huggingface-cache \
    RUNPOD_LOG_LEVEL=INFO \
    RUNPOD_INIT_TIMEOUT=1800 \
    PYTORCH_ALLOC_CONF=expandable_segments:True

# For the label only: `make image` takes it from schemas/version.py.
ARG VERSION=unknown
LABEL org.opencontainers.image.title="qwen-edit-generate-api" \
      org.opencontainers.image.description="A RunPod worker that puts a shop's product into a picture" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"

COPY . ./

# root, because RunPod's volumes belong to root; compose.yaml and the Helm chart use 10001.
ARG RUN_AS=root
USER ${RUN_AS}

EXPOSE 8000
STOPSIGNAL SIGTERM
# A queue worker has no HTTP port; its process is watched anyway. The variables need a shell.
# hadolint ignore=DL3025
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD test -n "$RUNPOD_WEBHOOK_GET_JOB" || \
        python -c "from urllib.request import urlopen; urlopen('http://127.0.0.1:${PORT:-8000}/health', timeout=5)"
CMD ["python", "-u", "rp_handler.py"]
