"""The command `qwen-edit`, as a person types it."""

import http.server
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from examples.cli import main as commands
from examples.python.qwen_worker import Endpoint, Patience, Worker
from local_platform.worker import ENDPOINT
from schemas.jobs import EditJob, GenerateJob, Job
from schemas.version import VERSION
from testing.live import serving
from testing.patience import WAIT_SECONDS, wait_until
from testing.pictures import plain_room, red_vase
from testing.processes import free_port
from testing.rehearsal import ROOT, Platform


@pytest.fixture(autouse=True)
def _a_folder_of_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENGINE", "preview")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in (
        "RUNPOD_ENDPOINT_ID",
        "RUNPOD_API_KEY",
        "RUNPOD_ENDPOINT_BASE_URL",
        "API_KEY",
        "NO_COLOR",
        "FORCE_COLOR",
    ):
        monkeypatch.delenv(name, raising=False)
    plain_room().save("room.png")
    red_vase().save("vase.png")


EDIT = ("edit", "vase.png", "room.png", "--at", "80,100", "--product-scale", "0.4")


def main(words: list[str]) -> int:
    """Run the command in this process and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        commands(words)
    return int(ended.value.code or 0)


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "examples.cli", *words]


def typed(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command(*words), capture_output=True, text=True)


def form(file: str) -> tuple[str | None, tuple[int, int]]:
    with Image.open(file) as image:
        return image.format, image.size


class TestHere:
    def test_the_file_is_what_its_name_says_and_standard_output_says_where(self) -> None:
        done = typed(*EDIT, "--seed", "7", "--quality", "best", "-o", "new/out.jpg")
        assert (done.returncode, done.stdout) == (0, "new/out.jpg\n")
        assert form("new/out.jpg") == ("JPEG", (160, 120))
        first, *warnings = done.stderr.splitlines()
        assert first == "preview, seed 7"
        assert len(warnings) == 1
        assert warnings[0].startswith("Warning: ")
        assert "quality" in warnings[0]

    def test_several_rooms_of_a_size(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["generate", "vase.png", "--size", "320x256", "--n", "2", "--environment-type", "bedroom"]) == 0
        assert capsys.readouterr().out.split() == ["generate-1.png", "generate-2.png"]
        assert form("generate-2.png") == ("PNG", (320, 256))

    @pytest.mark.parametrize(
        ("output", "file"),
        [(".", "edit.png"), ("./", "edit.png"), ("old/", "old/edit.png"), ("old", "old/edit.png"),
         ("new/", "new/edit.png"), ("old/..", "old/../edit.png"), ("new/out", "new/out.png")],
    )  # fmt: skip
    def test_a_folder_gets_a_file_named_after_the_action(
        self, output: str, file: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        Path("old").mkdir()
        assert main([*EDIT, "-o", output]) == 0
        assert capsys.readouterr().out == f"{file}\n"
        assert form(file) == ("PNG", (160, 120))

    def test_so_does_one_as_this_system_writes_it(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("os.sep", "\\")
        assert main([*EDIT, "-o", "new\\"]) == 0
        assert capsys.readouterr().out == "new\\/edit.png\n"

    def test_a_name_that_the_terminal_cannot_show_is_no_failure(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
        done = typed(*EDIT, "-o", "椅.png")
        assert (done.returncode, done.stdout) == (0, "\\u6905.png\n")
        assert form("椅.png") == ("PNG", (160, 120))

    def test_a_mask_is_a_file(self) -> None:
        Image.new("L", (160, 120), 255).save("mask.png")
        assert main([*EDIT, "--mask", "mask.png"]) == 0
        assert form("edit.png") == ("PNG", (160, 120))

    def test_pictures_come_by_standard_input_and_leave_by_standard_output(self) -> None:
        words = command("edit", "-", "room.png", *EDIT[3:], "--quiet", "-o", "-", "--output-format", "webp")
        done = subprocess.run(words, input=Path("vase.png").read_bytes(), capture_output=True)
        assert (done.returncode, done.stderr) == (0, b"")
        with Image.open(io.BytesIO(done.stdout)) as image:
            assert (image.format, image.size) == ("WEBP", (160, 120))

    def test_as_json_the_answer_is_one_object(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*EDIT, "--json", "--n", "2", "--seed", "7", "-o", "out.png"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert [(each["file"], each["seed"]) for each in told["pictures"]] == [("out-1.png", 7), ("out-2.png", 8)]
        assert told["info"]["coordinates"] == [80, 100]

    def test_so_is_an_error(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*EDIT, "--json", "--at", "80,999"]) == 1
        said = capsys.readouterr()
        told = json.loads(said.out)
        assert (told["error_code"], told["fields"], said.err) == ("INVALID_INPUT", ["placement_coordinates"], "")

    def test_quiet_keeps_seeds_and_warnings_to_itself(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*EDIT, "--quality", "best", "--quiet"]) == 0
        assert capsys.readouterr() == ("edit.png\n", "")

    def test_several_products_are_listed_in_a_file(self, capsys: pytest.CaptureFixture[str]) -> None:
        vase = {"product_image": "vase.png", "product_scale": 0.3}
        products = [vase | {"placement_coordinates": [x, 100]} for x in (40, 120)]
        Path("both.json").write_text(json.dumps(products))
        assert main(["edit", "room.png", "--products", "both.json", "--json"]) == 0
        assert len(json.loads(capsys.readouterr().out)["placements"]) == 2

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--version"]) == 0
        assert capsys.readouterr().out == f"qwen-edit, version {VERSION}\n"

    def test_health(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["health"]) == 0
        assert "preview" in capsys.readouterr().out

    def test_progress_is_a_bar_in_a_terminal(self) -> None:
        code, out, shown = in_a_terminal(*EDIT)
        assert (code, out) == (0, b"edit.png\n")
        assert "writing" in shown
        assert "95%" in shown
        assert "━" in shown

    @pytest.mark.parametrize(("variables", "is_red"), [({}, True), ({"NO_COLOR": "1"}, False)])
    def test_an_error_is_red_in_a_terminal_only(self, variables: dict[str, str], is_red: bool) -> None:
        wrong = ("edit", "none.png", "room.png")
        code, _, shown = in_a_terminal(*wrong, **variables)
        assert (code, "\x1b[31m" in shown) == (1, is_red)
        assert typed(*wrong).stderr == "none.png: No such file or directory\n"


def in_a_terminal(*words: str, **variables: str) -> tuple[int, bytes, str]:
    """Return the exit code, standard output, and what a terminal shows of standard error."""
    ours, theirs = pty.openpty()
    env = os.environ | {"TERM": "xterm", "COLUMNS": "80"} | variables
    with subprocess.Popen(command(*words), stdout=subprocess.PIPE, stderr=theirs, env=env) as process:
        os.close(theirs)
        shown = b"".join(iter(lambda: _read(ours), b""))
        os.close(ours)
        out, _ = process.communicate(timeout=WAIT_SECONDS)
    return process.returncode, out, shown.decode()


def _read(terminal: int) -> bytes:
    """Return nothing at the end, which Linux tells by an error."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


def _heeds_interrupts() -> None:
    """Handle Ctrl-C, which a process started in the background ignores."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class TestThere:
    @pytest.fixture
    def endpoint(self, shop: Platform, monkeypatch: pytest.MonkeyPatch) -> Platform:
        """Return the endpoint that the environment names."""
        monkeypatch.setenv("RUNPOD_ENDPOINT_ID", ENDPOINT)
        monkeypatch.setenv("RUNPOD_API_KEY", "key")
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", f"{shop.url}/v2")
        return shop

    def test_an_endpoint(self, endpoint: Platform, capsys: pytest.CaptureFixture[str]) -> None:
        before = len(endpoint.endpoint.jobs)
        assert main([*EDIT, "-o", "out.webp"]) == 0
        assert capsys.readouterr().out == "out.webp\n"
        assert form("out.webp") == ("WEBP", (160, 120))
        assert len(endpoint.endpoint.jobs) == before + 1

    def test_a_mistake_costs_no_job(self, endpoint: Platform, capsys: pytest.CaptureFixture[str]) -> None:
        before = len(endpoint.endpoint.jobs)
        assert main([*EDIT, "--box", "9,9,1,1"]) == 1
        assert (
            capsys.readouterr().err
            == "Invalid placement_box: it must be [left, top, right, bottom] with left < right and top < bottom\n"
        )
        assert len(endpoint.endpoint.jobs) == before

    def test_who_interrupts_cancels_the_job(self, endpoint: Platform) -> None:
        before = set(endpoint.endpoint.jobs)
        slow = command(*EDIT, "--instructions", "slow 400")
        with subprocess.Popen(slow, stderr=subprocess.PIPE, preexec_fn=_heeds_interrupts) as process:
            wait_until(lambda: set(endpoint.endpoint.jobs) - before or process.poll() is not None)
            [job] = set(endpoint.endpoint.jobs) - before
            endpoint.wait(job, lambda told: bool(told.get("output")))
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=WAIT_SECONDS)
        assert (process.returncode, said) == (130, b"Cancelled\n")
        assert endpoint.status(job)["status"] == "CANCELLED"

    def test_its_refusal_is_its_own_sentence(self, endpoint: Platform, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*EDIT, "--at", "999,1"]) == 1
        reason = "Invalid placement_coordinates: it lies outside the room photo of 160x120 pixels"
        assert capsys.readouterr().err == f"Edit processing failed: {reason}\n"

    def test_a_server_and_its_health(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("API_KEY", "s3cret-key")
        with serving(api_key="s3cret-key") as live:
            assert main([*EDIT, "--url", live.url]) == 0
            assert main(["health", "--url", live.url]) == 0
        shown = capsys.readouterr().out
        assert shown.startswith("edit.png\n")
        assert "healthy" in shown

    def test_health_fails_with_a_wrong_key(
        self, endpoint: Platform, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("API_KEY", "wrong")
        with serving(api_key="s3cret-key") as live:
            assert main(["health", "--url", live.url]) == 1
        assert "API key" in capsys.readouterr().err
        monkeypatch.setenv("RUNPOD_API_KEY", "")
        assert main(["health"]) == 1


class TestPlatform:
    """`python -m local_platform`."""

    def test_a_taken_port_is_one_sentence_and_starts_no_worker(self, shop: Platform) -> None:
        before = set(shop.endpoint.workers)
        port = shop.url.rpartition(":")[2]
        done = subprocess.run([sys.executable, "-m", "local_platform", "--port", port], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"Port {port} is not available: Address already in use\n"
        assert set(shop.endpoint.workers) == before

    @pytest.mark.long
    def test_its_workers_are_named_after_it(self) -> None:
        port = free_port()
        platform = [sys.executable, "-m", "local_platform", "--port", str(port)]
        with subprocess.Popen(platform, stdout=subprocess.DEVNULL, preexec_fn=_heeds_interrupts) as process:
            try:
                there = Endpoint(ENDPOINT, "key", f"http://127.0.0.1:{port}/v2")
                with Worker(there, patience=Patience(reply=WAIT_SECONDS)) as worker:
                    job_id = worker.submit({"action": "health_check"})
                    told = _final_status(f"{there.url}/status/{job_id}")
            finally:
                process.send_signal(signal.SIGINT)
                assert process.wait(WAIT_SECONDS) == 0
        assert told["workerId"] == f"worker-{process.pid}-1"


def _final_status(url: str) -> dict[str, Any]:
    wait_until(lambda: httpx.get(url, timeout=WAIT_SECONDS).json()["status"] == "COMPLETED")
    return dict(httpx.get(url, timeout=WAIT_SECONDS).json())


class TestMistakes:
    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (["--at", "80"], "placement_coordinates"),
            (["--at", "80,999"], "Invalid placement_coordinates: it lies outside the room photo of 160x120 pixels"),
            (["--box", "9,9,1,1"], "Invalid placement_box: it must be [left, top, right, bottom]"),
            (["--mask", "none.png"], "none.png: No such file or directory"),
            (["--products", "none.json"], "none.json: No such file or directory"),
            (["--endpoint", "abc"], "RUNPOD_API_KEY is not set: endpoint abc requires it"),
            (["--url", "localhost:8000"], "localhost:8000/v1/edit cannot be reached"),
            (["--at", "-5,600"], "Invalid placement_coordinates: it lies outside the room photo of 160x120 pixels"),
            (["--at=-5,600"], "Invalid placement_coordinates: it lies outside the room photo of 160x120 pixels"),
            (["--box", "-1,-1,-9,-9"], "Invalid placement_box: it must be [left, top, right, bottom]"),
            (["--response-format", "url"], "bucket"),
        ],
    )
    def test_a_job_that_is_refused_is_one_sentence_and_1(
        self, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("time.sleep", lambda _: pytest.fail("it waits"))
        assert main(["edit", "vase.png", "room.png", *words]) == 1
        said = capsys.readouterr()
        assert sentence in said.err
        assert said.err.count("\n") == 1
        assert said.out == ""

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (["--n", "99"], "99 is not in the range 1<=x<=10"),
            (["--n", "many"], "'many' is not a valid integer"),
            (["--seed", "-7"], "-7 is not in the range"),
            (["--at", "here"], "Invalid value for '--at'"),
            (["--quality", "superb"], "'superb' is not one of 'fast', 'balanced', 'best'"),
            (["--products", "room.png"], "room.png is not JSON"),
            (["--qual", "best"], "No such option '--qual'"),
            (["more.png"], "edit takes a product and a room"),
            (["-o", "out.gif"], "out.gif: the file name of a picture must match *.png, *.jpg, *.jpeg, *.webp"),
            (["-o", ""], "-o: the name is empty"),
            (["-o", "new/.png"], "new/.png: the file name of a picture must match *.png"),
            (
                ["-o", "a.webp", "--output-format", "jpeg"],
                "a.webp does not match --output-format jpeg: drop one of them",
            ),
            (["-o", "-", "--n", "2"], "-o - writes a single picture"),
            (["-o", "-", "--json"], "-o - writes a single picture"),
            (["--mask", "-", "--room-image", "-"], "No such option '--room-image'"),
            (["--url", "http://localhost", "--endpoint", "abc"], "--endpoint and --url exclude each other"),
        ],
    )
    def test_a_command_line_that_is_wrong_is_told_with_2(
        self, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["edit", "vase.png", "room.png", *words]) == 2
        said = capsys.readouterr()
        assert sentence in said.err.splitlines()[-1]
        assert said.out == ""

    def test_two_pictures_cannot_come_by_standard_input(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["edit", "-", "-"]) == 2
        assert "Standard input can hold only one picture" in capsys.readouterr().err

    def test_a_mistake_makes_no_folder(self) -> None:
        assert main([*EDIT, "--box", "9,9,1,1", "-o", "new/out.png"]) == 1
        assert main([*EDIT, "--endpoint", "abc", "-o", "new/out.png"]) == 1
        assert not Path("new").exists()

    @pytest.mark.parametrize("words", [["health"], EDIT])
    def test_a_server_that_is_not_ours(self, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        with pages() as url:
            assert main([*words, "--url", url]) == 1
        [sentence] = capsys.readouterr().err.splitlines()
        assert sentence.startswith(url)
        assert " answered " in sentence

    def test_a_key_that_no_header_holds(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("API_KEY", "bad\nkey")
        assert main(["health", "--url", "http://127.0.0.1:1"]) == 1
        [sentence] = capsys.readouterr().err.splitlines()
        assert sentence.startswith("The API key contains a line break")

    def test_an_empty_base_url_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", "")
        monkeypatch.setenv("RUNPOD_API_KEY", "key")
        seen: list[Endpoint] = []

        def caller(place: Endpoint, **_: object) -> Worker:
            seen.append(place)
            raise KeyboardInterrupt

        monkeypatch.setattr("examples.cli.Worker", caller)
        assert main(["health", "--endpoint", "abc"]) == 130
        assert seen == [Endpoint("abc", "key")]

    def test_a_wrong_setting(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ENGINE", "steam")
        assert main(["edit", "vase.png", "room.png"]) == 1
        assert capsys.readouterr().err.startswith("Wrong settings: ENGINE: ")

    def test_as_a_process_it_ends_with_1(self) -> None:
        done = typed(*EDIT, "--instructions", "x" * 4001)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "Invalid instructions: it should have at most 4000 characters\n"


@contextmanager
def pages() -> Iterator[str]:
    """Yield the URL of a server of static files."""
    handler = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(("action", "schema"), [("edit", EditJob), ("generate", GenerateJob)])
def test_every_field_of_the_schema_is_an_option(
    action: str, schema: type[Job], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([action, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"Example:\n    qwen-edit {action} " in shown
    for name in schema.model_fields:
        if name in ("product_image", "room_image"):
            assert re.search(rf"\b{name.removesuffix('_image').upper()}\b", shown)
        elif name != "action":
            assert f"--{name.replace('_', '-')}" in shown
