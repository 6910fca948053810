# The worker's image with Ray in it, for deploy/kuberay.yaml: docs/ray.md.
ARG BASE=qwen-edit-generate-api:latest
FROM ${BASE}

# KubeRay's probes ask with wget.
RUN apt-get update && apt-get install -y --no-install-recommends wget && rm -rf /var/lib/apt/lists/*

WORKDIR /app
COPY deploy/requirements-ray.lock deploy/
RUN pip install --no-cache-dir --only-binary :all: --require-hashes -r requirements-uv.lock && \
    uv pip install --system --no-cache --compile-bytecode --only-binary :all: --no-deps --require-hashes \
      -r deploy/requirements-ray.lock && \
    pip uninstall --yes uv

ENV PYTHONPATH=/app \
    RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH=deploy.ray_front:middlewares
COPY deploy ./deploy
CMD ["serve", "run", "deploy.ray_serve:app"]
