"""`python -m examples.cli`, as a person types it."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from examples.cli import main
from local_platform.worker import ENDPOINT
from schemas.jobs import EditJob, GenerateJob, Job
from tests.live import serving
from tests.pictures import plain_room, red_vase
from tests.rehearsal import ROOT, Platform, inherited, platform, worker

HERE = ("--at", "80,100", "--product-scale", "0.4")
KEY = "s3cret-key"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform() as at, worker(at, tmp_path_factory.mktemp("worker")):
        yield at


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    plain_room().save(tmp_path / "room.png")
    red_vase().save(tmp_path / "vase.png")
    return tmp_path


@pytest.fixture(autouse=True)
def _told_of_no_other_place(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RUNPOD_ENDPOINT_ID", "RUNPOD_API_KEY", "RUNPOD_ENDPOINT_BASE_URL", "API_KEY"):
        monkeypatch.delenv(name, raising=False)


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "examples.cli", *words]


def environment(folder: Path, **settings: str) -> dict[str, str]:
    return inherited() | {"ENGINE": "preview", "PYTHONPATH": str(ROOT), "PWD": str(folder)} | settings


def typed(folder: Path, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    env = environment(folder, **settings)
    return subprocess.run(command(*words), cwd=folder, env=env, capture_output=True, text=True, timeout=60)


def edit(folder: Path, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    return typed(folder, "edit", "vase.png", "room.png", *HERE, *words, **settings)


def at(shop: Platform) -> dict[str, str]:
    return {
        "RUNPOD_ENDPOINT_ID": ENDPOINT,
        "RUNPOD_API_KEY": "key",
        "RUNPOD_ENDPOINT_BASE_URL": f"{shop.url}/v2",
    }


def form(file: Path) -> tuple[str | None, tuple[int, int]]:
    with Image.open(file) as image:
        return image.format, image.size


class TestHere:
    def test_the_file_is_what_its_name_says_and_standard_output_says_where(self, folder: Path) -> None:
        done = edit(folder, "--seed", "7", "--quality", "best", "-o", "new/out.jpg")
        assert (done.returncode, done.stdout) == (0, "new/out.jpg\n")
        assert form(folder / "new/out.jpg") == ("JPEG", (160, 120))
        first, *warnings = done.stderr.splitlines()
        assert first == "preview, seed 7:"
        assert len(warnings) == 1
        assert warnings[0].startswith("Warning: ")
        assert "quality" in warnings[0]

    def test_several_rooms_of_a_size(self, folder: Path) -> None:
        done = typed(folder, "generate", "vase.png", "--size", "320x256", "--n", "2", "--environment-type", "bedroom")
        assert done.stdout.split() == ["generate-1.png", "generate-2.png"]
        assert form(folder / "generate-2.png") == ("PNG", (320, 256))

    def test_a_mask_is_a_file(self, folder: Path) -> None:
        Image.new("L", (160, 120), 255).save(folder / "mask.png")
        assert edit(folder, "--mask", "mask.png").stdout == "edit.png\n"

    def test_health(self, folder: Path) -> None:
        done = typed(folder, "health")
        assert done.returncode == 0
        assert "preview" in done.stdout

    def test_progress_is_a_bar_in_a_terminal(self, folder: Path) -> None:
        ours, theirs = pty.openpty()
        words = command("edit", "vase.png", "room.png", *HERE)
        done = subprocess.run(words, cwd=folder, env=environment(folder), stdout=subprocess.PIPE, stderr=theirs)
        os.close(theirs)
        shown = os.read(ours, 100_000).decode()
        os.close(ours)
        assert (done.returncode, done.stdout) == (0, b"edit.png\n")
        assert "95 %  encode" in shown
        assert "█" in shown


class TestThere:
    def test_an_endpoint(self, shop: Platform, folder: Path) -> None:
        before = len(shop.endpoint.jobs)
        done = edit(folder, "-o", "out.webp", **at(shop))
        assert (done.returncode, done.stdout) == (0, "out.webp\n"), done.stderr
        assert form(folder / "out.webp") == ("WEBP", (160, 120))
        assert len(shop.endpoint.jobs) == before + 1

    def test_who_interrupts_cancels_the_job(self, shop: Platform, folder: Path) -> None:
        before = set(shop.endpoint.jobs)
        words = command("edit", "vase.png", "room.png", *HERE, "--instructions", "slow 400")
        process = subprocess.Popen(words, cwd=folder, env=environment(folder, **at(shop)), stderr=subprocess.PIPE)
        while not set(shop.endpoint.jobs) - before:
            assert process.poll() is None
        [job] = set(shop.endpoint.jobs) - before
        shop.wait(job, lambda told: bool(told.get("output")))
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
        assert (process.returncode, said) == (130, b"Cancelled\n")
        assert shop.status(job)["status"] == "CANCELLED"

    def test_its_refusal_is_its_own_sentence(self, shop: Platform, folder: Path) -> None:
        done = edit(folder, "--at", "999,1", **at(shop))
        reason = "Invalid placement_coordinates: it lies outside the room photo of 160x120 pixels"
        assert (done.returncode, done.stderr) == (1, f"Edit processing failed: {reason}\n")

    def test_a_server_and_its_health(self, folder: Path) -> None:
        with serving(api_key=KEY) as live:
            done = edit(folder, "--url", live.url, API_KEY=KEY)
            health = typed(folder, "health", "--url", live.url)
        assert (done.returncode, done.stdout) == (0, "edit.png\n"), done.stderr
        assert health.returncode == 0
        assert "ready" in health.stdout


class TestMistakes:
    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (["--n", "99"], "Invalid n: it should be less than or equal to 10"),
            (["--n", "many"], "Invalid n: it should be a valid integer"),
            (["--at", "80"], "placement_coordinates"),
            (["--at", "here"], "Invalid placement_coordinates"),
            (["--at", "80,999"], "Invalid placement_coordinates: it lies outside the room photo of 160x120 pixels"),
            (["--box", "9,9,1,1"], "Invalid placement_box: it must be [left, top, right, bottom]"),
            (["--quality", "superb"], "Invalid quality: it should be 'fast', 'balanced' or 'best'"),
            (["--mask", "none.png"], "none.png: No such file or directory"),
            (["-o", "out.gif"], "out.gif: a picture's file ends with .png, .jpg, .jpeg, .webp"),
            (["--endpoint", "abc"], "RUNPOD_API_KEY is not set: the endpoint abc asks for it"),
            (["--url", "localhost:8000"], "cannot be reached"),
            (["--response-format", "url"], "bucket"),
        ],
    )
    def test_one_sentence_and_no_traceback(
        self,
        words: list[str],
        sentence: str,
        folder: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("ENGINE", "preview")
        monkeypatch.chdir(folder)
        monkeypatch.setattr("time.sleep", lambda _: None)
        assert main(["edit", "vase.png", "room.png", *words]) == 1
        said = capsys.readouterr()
        assert sentence in said.err
        assert said.err.count("\n") == 1
        assert said.out == ""

    def test_a_wrong_setting(
        self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ENGINE", "steam")
        monkeypatch.chdir(folder)
        assert main(["edit", "vase.png", "room.png"]) == 1
        assert capsys.readouterr().err.startswith("Wrong settings: ENGINE: ")

    def test_as_a_process_it_ends_with_1(self, folder: Path) -> None:
        done = edit(folder, "--seed", "-7")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "Invalid seed: it should be greater than or equal to -1\n"


@pytest.mark.parametrize(("action", "schema"), [("edit", EditJob), ("generate", GenerateJob)])
def test_every_field_of_the_schema_is_an_option(
    action: str, schema: type[Job], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([action, "--help"])
    shown = capsys.readouterr().out
    for name, field in schema.model_fields.items():
        if field.is_required() and name != "action":
            assert f" {name.removesuffix('_image')} " in shown
        elif name != "action":
            assert f"--{name.replace('_', '-')}" in shown
