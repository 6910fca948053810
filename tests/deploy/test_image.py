"""The image without building it: the files that the Dockerfile would copy are copied and started, and its commands are
run."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from models.checkpoints.profiles import find_profile
from models.files.weights import CONFIGURATIONS, PLATFORM_CACHE, CheckpointLocator
from schemas.settings import Settings, SettingsError
from schemas.version import SERVICE
from testing.patience import wait_until
from testing.pictures import picture
from testing.processes import environment, free_port, is_ready
from tests.deploy.dockerfile import ROOT, arguments, copied, copy_to, every, instructions, variables
from tests.deploy.names import KNOWN

PROFILE = find_profile(Settings.model_fields["model_profile"].default)
LORAS = [schedule.lora for schedule in PROFILE.schedules.values() if schedule.lora]
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
HADOLINT = shutil.which("hadolint", path=PATH)

HUB = """#!{python}
import argparse, pathlib
command = argparse.ArgumentParser()
command.add_argument("verb", choices=["download"])
command.add_argument("repo")
command.add_argument("files", nargs="*")
command.add_argument("--revision", required=True)
command.add_argument("--local-dir", type=pathlib.Path, required=True)
given = command.parse_args()
assert len(given.revision) == 40
given.local_dir.mkdir(parents=True)
for file in given.files or ["model_index.json"]:
    (given.local_dir / file).write_text(given.repo)
"""
"""A program that writes files in place of the hub's."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the image's working directory."""
    return copy_to(tmp_path_factory.mktemp("app"))


@contextmanager
def http_role(app: Path, **settings: str) -> Iterator[int]:
    port = free_port()
    env = environment(app, HOST="127.0.0.1", PORT=str(port), **settings)
    process = subprocess.Popen([sys.executable, "server.py"], cwd=app, env=env, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: is_ready(f"http://127.0.0.1:{port}"))
        yield port
    finally:
        process.kill()
        process.wait()


class TestWhatIsInside:
    def test_the_queue_role_answers_a_health_check(self, app: Path) -> None:
        command = [*json.loads(every("CMD")[0]), "--test_input", '{"input": {"action": "health_check"}}']
        done = subprocess.run(
            command, cwd=app, env=environment(app, PATH=PATH), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "healthy" in done.stdout

    def test_without_a_platform_it_shows_what_it_can_do(self, app: Path, tmp_path: Path) -> None:
        command = json.loads(every("CMD")[0])
        env = environment(tmp_path, PATH=PATH)
        done = subprocess.run(command, cwd=app, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert [file.suffix for file in tmp_path.iterdir()] == [".png"]

    def test_the_http_role_serves_jobs_and_its_page(self, app: Path) -> None:
        job = json.loads((ROOT / "test_input.json").read_text())["input"]
        with http_role(app) as port:
            answer = httpx2.post(f"http://127.0.0.1:{port}/v1/edit", json=job)
            page = httpx2.get(f"http://127.0.0.1:{port}/")
        assert picture(answer.json()["processed_image"]).size == (1000, 667)
        assert page.status_code == 200

    def test_nothing_else_is(self) -> None:
        licences = Path("examples/real_rooms/LICENCES.md")  # of the photos in test_input.json
        assert licences in copied()
        files = set(copied()) - {licences}
        folders = {"handlers", "imaging", "models", "schemas", "transport", "web"}
        assert {file.parts[0] for file in files if len(file.parts) > 1} == folders
        assert not [file for file in files if file.suffix in (".pyc", ".md", ".jpg") or file.name.startswith(".")]
        assert sum((ROOT / file).stat().st_size for file in files) < 2_000_000


class TestWithRay:
    def test_it_stands_on_the_workers_image(self) -> None:
        text = (ROOT / "deploy/ray.Dockerfile").read_text()
        assert f"ARG BASE={SERVICE}:latest\nFROM ${{BASE}}\n" in text
        assert f"image: {SERVICE}:ray " in (ROOT / "deploy/kuberay.yaml").read_text()

    def test_it_brings_what_ray_is_told_to_load(self, app: Path, tmp_path: Path) -> None:
        with_ray = tmp_path / "app"
        shutil.copytree(app, with_ray)
        shutil.copytree(ROOT / "deploy", with_ray / "deploy")
        command = [sys.executable, "-c", "import deploy.ray_front, deploy.ray_options"]
        subprocess.run(command, cwd=with_ray, env=environment(tmp_path), check=True)


class TestHowItIsBuilt:
    def test_the_base_is_one_image_for_good(self) -> None:
        [base] = every("FROM")
        assert re.fullmatch(r"python:3\.11-slim-\w+@sha256:[0-9a-f]{64}", base)

    @pytest.mark.parametrize("compiler", ["0", "1"])
    def test_a_compiler_is_installed_only_if_it_is_asked_for(self, compiler: str, tmp_path: Path) -> None:
        asked = tmp_path / "asked"
        (tmp_path / "apt-get").write_text(f'#!/bin/sh\necho "$@" >> {asked}\n')
        (tmp_path / "apt-get").chmod(0o755)
        [install] = [text for text in every("RUN") if "apt-get" in text]
        command = install.replace("rm -rf /var/lib/apt/lists/*", "true")
        env = {"PATH": f"{tmp_path}:{PATH}", "REQUIREMENTS": "requirements", "COMPILE": compiler}
        subprocess.run(["/bin/sh", "-ec", command], env=env, check=True)
        assert arguments()["COMPILE"] == "0"
        assert (asked.exists() and "gcc" in asked.read_text()) == (compiler == "1")

    def test_what_changes_seldom_comes_first(self) -> None:
        texts = [text for name, text in instructions() if name in ("COPY", "RUN")]
        order = [next(i for i, text in enumerate(texts) if part in text) for part in (".lock", "pip install", "hf ")]
        assert order == sorted(order)
        assert texts[-1] == ". ./"

    def test_everything_is_installed_by_its_hash_and_nothing_is_compiled(self) -> None:
        [install] = [text for text in every("RUN") if "pip" in text]
        for command in re.findall(r"pip install .*?&&", install):
            assert "--require-hashes" in command
            assert "--only-binary :all:" in command
        assert "--no-deps" in install, "what uv resolves anew, it may take from elsewhere than the lock"
        for name in ("requirements", "requirements-preview", "requirements-uv"):
            assert Path(f"{name}.lock") in copied()

    def test_python_is_the_first_process(self) -> None:
        assert json.loads(every("CMD")[0])[0] == "python"
        assert not every("ENTRYPOINT")

    def test_every_variable_is_one_and_none_is_a_secret(self) -> None:
        assert variables().keys() <= KNOWN
        names = variables().keys() | arguments().keys()
        assert not [name for name in names if re.search("KEY|TOKEN|SECRET|PASSWORD", name)]

    def test_downloads_go_where_the_platform_keeps_its_model(self) -> None:
        assert Path(variables()["HF_HOME"]) / "hub" == PLATFORM_CACHE

    def test_labels_and_port_are_the_workers(self) -> None:
        assert 'org.opencontainers.image.version="${VERSION}"' in every("LABEL")[0]
        assert every("EXPOSE") == [str(Settings.model_fields["port"].default)]
        assert every("STOPSIGNAL") == ["SIGTERM"]

    def test_somebody_without_rights_can_serve(self) -> None:
        assert every("USER") == ["${RUN_AS}"]
        assert any("useradd --uid 10001" in text for text in every("RUN"))

    @pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed: make test installs it")
    def test_the_linter_has_no_complaint(self) -> None:
        assert HADOLINT
        done = subprocess.run(
            [HADOLINT, "Dockerfile", "deploy/ray.Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout


class TestWeights:
    def build(
        self, folder: Path, weights: str, hub: str | None = HUB, requirements: str = "requirements"
    ) -> "subprocess.CompletedProcess[str]":
        """Run the commands that bring weights into the image, in `folder`."""
        (folder / "bin").mkdir()
        if hub is not None:
            (folder / "bin" / "hf").write_text(hub.format(python=sys.executable))
            (folder / "bin" / "hf").chmod(0o755)
        env = {
            "PATH": f"{folder / 'bin'}:{PATH}",
            "REQUIREMENTS": requirements,
            "WEIGHTS": weights,
            "QWEN_MODEL_DIR": str(folder / "models"),
            "HF_HOME": str(folder),
            "HF_HUB_OFFLINE": "1",
        }
        commands = "\n".join(text for text in every("RUN") if "hf " in text)
        return subprocess.run(["/bin/sh", "-ec", commands], env=env, capture_output=True, text=True, check=False)

    def test_by_default_the_loras_are_inside_and_the_model_comes_from_the_platform(self, tmp_path: Path) -> None:
        done = self.build(tmp_path, arguments()["WEIGHTS"])
        assert done.returncode == 0, done.stderr
        cached = tmp_path / "cache" / f"models--{PROFILE.repo.replace('/', '--').lower()}" / "snapshots" / "abc"
        for file in ("model_index.json", *CONFIGURATIONS, "tokenizer/tokenizer.json"):
            (cached / file).parent.mkdir(parents=True, exist_ok=True)
            (cached / file).write_text("{}")
        shelf = CheckpointLocator(tmp_path / "models", tmp_path / "cache", hub=False)
        assert shelf.folder(PROFILE.repo, parts=()) == cached
        for lora in LORAS:
            assert shelf.file(lora.repo, lora.file).read_text() == lora.repo

    def test_baked_they_are_all_inside(self, tmp_path: Path) -> None:
        assert self.build(tmp_path, "baked").returncode == 0
        shelf = CheckpointLocator(tmp_path / "models", tmp_path / "cache", hub=False)
        assert (shelf.folder(PROFILE.repo) / "model_index.json").read_text() == PROFILE.repo
        assert all(shelf.file(lora.repo, lora.file).is_file() for lora in LORAS)

    def test_none_are_inside_where_none_are_wanted(self, tmp_path: Path) -> None:
        assert self.build(tmp_path, "none", hub=None).returncode == 0
        self.has_none(tmp_path)

    def test_a_preview_needs_none(self, tmp_path: Path) -> None:
        done = self.build(tmp_path, arguments()["WEIGHTS"], hub=None, requirements="requirements-preview")
        assert done.returncode == 0, done.stderr
        self.has_none(tmp_path)

    def has_none(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError):
            CheckpointLocator(tmp_path / "models", tmp_path / "cache", hub=False).file(LORAS[0].repo, LORAS[0].file)

    def test_a_way_that_does_not_exist_ends_the_build(self, tmp_path: Path) -> None:
        done = self.build(tmp_path, "bake")
        assert done.returncode == 1
        assert "bake is not none, loras or baked" in done.stderr

    def test_the_hubs_own_command_understands_it_and_its_failure_ends_the_build(self, tmp_path: Path) -> None:
        done = self.build(tmp_path, "baked", hub=None)
        assert done.returncode == 1, "2 is what a wrong option would be"
        assert "offline" in done.stderr.lower()


class TestHealth:
    def check(self, **env: str) -> int:
        [health] = every("HEALTHCHECK")
        command = health[health.index("CMD ") + 4 :]
        return subprocess.run(
            ["/bin/sh", "-c", command], env={"PATH": PATH, **env}, capture_output=True, check=False
        ).returncode

    def test_the_http_role_is_asked_at_its_port(self, app: Path) -> None:
        with http_role(app, API_KEY="key") as port:
            assert self.check(PORT=str(port)) == 0
        assert self.check(PORT=str(port)) != 0

    def test_the_queue_role_has_no_port_to_ask(self) -> None:
        assert self.check(PORT=str(free_port()), RUNPOD_WEBHOOK_GET_JOB="https://platform/job-take") == 0
