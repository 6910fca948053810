"""`qwen-edit batch`: every row is done once, whatever happens in between."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from examples.batch import JOURNAL, REPORT, SHEET, RowResult, TableError, read_table, run_batch
from examples.cli import main
from examples.python.qwen_worker import Job, JobResult, WorkerError, read_answer
from local_platform.worker import ENDPOINT
from testing.gate import gate
from testing.patience import WAIT_SECONDS, wait_until
from testing.pictures import as_base64, file_of, plain_room, red_vase
from testing.rehearsal import ROOT, platform, worker

ROWS = 60
ANSWER = {
    "success": True,
    "action": "edit",
    "processed_image": as_base64(file_of(plain_room(16, 12))),
    "mime_type": "image/png",
    "lossless": True,
    "placement_info": {"engine": "preview", "seed": 1, "processing_time": 0.1},
}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    plain_room(64, 48).save(tmp_path / "room.png")
    red_vase(20).save(tmp_path / "vase.png")
    lines = ["product_image,room_image,product_scale,placement_coordinates,seed"]
    lines += [f'vase.png,room.png,0.4,"[{20 + n % 20}, 40]",{n}' for n in range(ROWS)]
    (tmp_path / "jobs.csv").write_text("\n".join(lines))
    return tmp_path / "jobs.csv"


class Paid:
    """A worker that counts what it was paid for, refuses some seeds, and dies after some jobs."""

    def __init__(self, dies_after: int = 10**6, refuses: Container[int] = ()) -> None:
        self.seeds: list[int] = []
        self._dies_after, self._refuses = dies_after, refuses

    def map(self, jobs: Iterable[Job]) -> Iterator[JobResult]:
        for index, job in enumerate(jobs):
            if len(self.seeds) >= self._dies_after:
                raise KeyboardInterrupt
            self.seeds.append(job["seed"])
            if job["seed"] in self._refuses:
                yield JobResult(index, job, error=WorkerError("The model failed", "GENERATION_ERROR"))
            else:
                yield JobResult(index, job, read_answer(ANSWER))


def batch(table: Path, worker: Paid, count: int = ROWS) -> list[RowResult]:
    """Do the first rows of the table."""
    return run_batch(read_table(table)[:count], table.parent / "out", worker.map, lambda _: None)


def test_a_batch_that_was_stopped_goes_on_and_pays_nothing_twice(table: Path, tmp_path: Path) -> None:
    first, second = Paid(dies_after=23), Paid()
    with pytest.raises(KeyboardInterrupt):
        batch(table, first)
    results = batch(table, second)
    assert [result.status for result in results] == ["done"] * ROWS
    journal = [json.loads(line) for line in (tmp_path / "out" / JOURNAL).read_text().splitlines()]
    assert sorted(each["row"] for each in journal) == list(range(1, ROWS + 1))
    assert (len(first.seeds), sorted(first.seeds + second.seeds)) == (23, list(range(ROWS)))
    assert len(list((tmp_path / "out").glob("*.png"))) == ROWS


def test_a_line_that_was_cut_off_and_a_picture_that_is_gone_are_done_again(table: Path, tmp_path: Path) -> None:
    batch(table, Paid(), 3)
    with (tmp_path / "out" / JOURNAL).open("a") as journal:
        journal.write('{"row": 4, "dig')
    (tmp_path / "out" / "0002.png").unlink()
    again = Paid()
    batch(table, again, 3)
    assert again.seeds == [1]


def test_a_failure_stands_in_its_row_and_is_tried_again(table: Path, tmp_path: Path) -> None:
    results = batch(table, Paid(refuses=[1]), 3)
    assert [result.status for result in results] == ["done", "failed", "done"]
    with (tmp_path / "out" / REPORT).open(newline="") as file:
        report = list(csv.DictReader(file))
    assert (report[1]["status"], report[1]["error"]) == ("failed", "The model failed")
    assert "The model failed" in (tmp_path / "out" / SHEET).read_text()
    again = Paid()
    batch(table, again, 3)
    assert again.seeds == [1]


def test_a_changed_picture_is_another_job(table: Path, tmp_path: Path) -> None:
    before = read_table(table)[0].digest
    Image.new("RGB", (64, 48), "white").save(tmp_path / "room.png")
    assert read_table(table)[0].digest != before


def test_so_is_a_changed_picture_of_one_of_several_products(table: Path, tmp_path: Path) -> None:
    products = [{"product_image": "vase.png", "product_scale": 0.4}]
    (tmp_path / "several.jsonl").write_text(json.dumps({"room_image": "room.png", "products": products}))
    [row] = read_table(tmp_path / "several.jsonl")
    before, job = row.digest, row.job()
    assert job["products"][0]["product_image"] == as_base64((tmp_path / "vase.png").read_bytes())
    red_vase(24).save(tmp_path / "vase.png")
    assert row.digest != before


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("jobs.txt", "", "the name of a job table must end with .csv or .jsonl"),
        ("jobs.jsonl", '{"a": 1}\n{"b"', "Line 2 is not JSON"),
        ("jobs.jsonl", "[1]", "Line 1 is not a JSON object"),
        ("jobs.csv", "a,b\n1,2,3", "more cells"),
    ],
)
def test_what_is_no_table_is_one_sentence(name: str, text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(TableError, match=sentence):
        read_table(tmp_path / name)


def test_lines_of_json_are_a_table_too(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"product_image": "https://example.com/a.png", "room_image": "room.png", "n": 2}
    (tmp_path / "jobs.jsonl").write_text(json.dumps(fields) + "\n\n")
    [row] = read_table(tmp_path / "jobs.jsonl")
    assert row.fields == fields


class TestKilled:
    """A batch of 60 rows at an endpoint, killed in the middle and started again."""

    HELD_AFTER = 80
    """Requests of the first run; each row needs two at least."""

    def test_every_row_is_answered_and_painted_once(self, table: Path, tmp_path: Path) -> None:
        painted, out = tmp_path / "painted", tmp_path / "out"
        with platform() as at, worker(at, tmp_path, PAINTED=str(painted)):
            manners = ["pass"] * self.HELD_AFTER + ["hold"] * 100
            with gate(at.url, *manners) as between, batching(table, out, between.url) as first:
                wait_until(lambda: len(between.seen) >= self.HELD_AFTER + 4)  # all four threads are held
                noted = [json.loads(line)["row"] for line in (out / JOURNAL).read_text().splitlines()]
                first.kill()
                assert first.wait(WAIT_SECONDS) == -signal.SIGKILL
            with batching(table, out, at.url) as second:
                assert second.wait(WAIT_SECONDS) == 0
        assert 0 < len(noted) < ROWS
        journal = [json.loads(line) for line in (out / JOURNAL).read_text().splitlines()]
        assert sorted(each["row"] for each in journal) == list(range(1, ROWS + 1))
        assert {each["status"] for each in journal} == {"done"}
        assert len(list(out.glob("*.png"))) == ROWS
        assert sorted(map(int, painted.read_text().split())) == list(range(ROWS))
        assert len(at.endpoint.jobs) > ROWS, "no row was under way when the batch was killed"


@contextmanager
def batching(table: Path, out: Path, url: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`qwen-edit batch` as a process, at the endpoint of a platform."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("RUNPOD_")}
    env |= {"RUNPOD_ENDPOINT_ID": ENDPOINT, "RUNPOD_API_KEY": "key", "RUNPOD_ENDPOINT_BASE_URL": f"{url}/v2"}
    words = [sys.executable, "-m", "examples.cli", "batch", str(table), "-o", str(out), "--quiet"]
    with subprocess.Popen(words, cwd=ROOT, env=env, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def test_from_the_command_line(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("RUNPOD_ENDPOINT_ID", "RUNPOD_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ENGINE", "preview")
    lines = table.read_text().splitlines()[:3]
    table.write_text("\n".join([*lines, "none.png,room.png,0.4,,5"]))
    with pytest.raises(SystemExit, match="1"):
        main(["batch", str(table), "-o", str(tmp_path / "out")])
    said = capsys.readouterr()
    assert said.out == f"{tmp_path / 'out' / SHEET}\n"
    assert "Row 3: " in said.err
    assert (tmp_path / "out" / "0002.png").exists()
