"""Many jobs from a table: `python -m examples.cli batch jobs.csv -o folder/`.

Each row of the CSV or JSONL file is a job: its columns are the fields of the job, pictures are files (relative to the
table) or URLs. Finished rows are noted in the folder, so that a batch that was stopped goes on where it was.
"""

import csv
import hashlib
import html
import io
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from examples.python.qwen_worker import Answer, Job, WorkerError, edit_job, generate_job
from handlers.parse import parse
from schemas.errors import JobError
from schemas.jobs import ACTIONS

JOURNAL, REPORT, SHEET = "done.jsonl", "report.csv", "index.html"
PICTURES = ("product_image", "room_image", "mask")
THUMBNAIL = (320, 240)
COLUMNS = ("row", "status", "file", "engine", "seed", "seconds", "warnings", "error")

Solve = Callable[[Job], Answer]


class TableError(Exception):
    """One sentence about the table."""


@dataclass(frozen=True)
class Row:
    """One job of the table. `digest` tells it from every other job, wherever it stands in the table."""

    number: int
    fields: dict[str, Any]
    folder: Path

    @property
    def digest(self) -> str:
        """The digest of the fields and of the files they name."""
        told = hashlib.sha256(json.dumps(self.fields, sort_keys=True).encode())
        for name in PICTURES:
            file = self._file(self.fields.get(name))
            if file and file.is_file():
                told.update(file.read_bytes())
        return told.hexdigest()[:32]

    def job(self) -> Job:
        """Return the job. Raises JobError for what is wrong with it, OSError for a picture that cannot be read."""
        fields: Any = {name: self._picture(value) if name in PICTURES else value for name, value in self.fields.items()}
        if isinstance(fields.get("products"), list):
            fields["products"] = [
                {**each, "product_image": self._picture(each["product_image"])} for each in fields["products"]
            ]
        fields["idempotency_key"] = f"batch-{self.digest}"
        action = fields.pop("action", "edit")
        product = fields.pop("product_image", None)
        if action == "generate":
            job: Job = generate_job(product, **fields)
        elif action == "edit" and "room_image" in fields:
            job = edit_job(product, fields.pop("room_image"), **fields)
        else:
            job = {"action": action, **fields}
        parse(job)
        return job

    def _picture(self, value: str) -> str:
        file = self._file(value)
        return value if file is None else str(file)

    def _file(self, value: object) -> Path | None:
        """Return the file that a value names; None for a URL."""
        if not isinstance(value, str) or value.startswith(("https://", "http://", "data:")):
            return None
        return self.folder / value


@dataclass(frozen=True)
class Outcome:
    """What became of a row, as it stands in the journal."""

    row: int
    digest: str
    status: str
    file: str = ""
    engine: str = ""
    seed: int | None = None
    seconds: float | None = None
    warnings: str = ""
    error: str = ""


def read_table(file: Path) -> list[Row]:
    """Raises TableError for a file that is neither a CSV table nor lines of JSON."""
    text = file.read_text(encoding="utf-8-sig")
    if file.suffix.lower() == ".jsonl":
        rows = list(_lines(text))
    elif file.suffix.lower() == ".csv":
        rows = [_cells(cells) for cells in csv.DictReader(io.StringIO(text, newline=""))]
    else:
        raise TableError(f"{file}: a table of jobs ends with .csv or .jsonl")
    return [Row(number, fields, file.parent) for number, fields in enumerate(rows, 1)]


def _lines(text: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except ValueError as problem:
            raise TableError(f"Line {number} is no JSON: {problem}") from None
        if not isinstance(fields, dict):
            raise TableError(f"Line {number} is no JSON object")
        yield fields


def _cells(cells: dict[str | None, Any]) -> dict[str, Any]:
    """Return a CSV row's fields. Cells of fields that are no text hold JSON: a number, true, [1, 2]."""
    if None in cells:
        raise TableError("A row has more cells than the table has columns")
    action = cells.get("action") or "edit"
    schema = ACTIONS[action].model_json_schema()["properties"] if action in ACTIONS else {}
    return {name: _value(cell, schema.get(name, {})) for name, cell in cells.items() if name and cell not in (None, "")}


def _value(cell: str, schema: dict[str, Any]) -> Any:
    kinds = {kind.get("type") for kind in schema.get("anyOf", [schema])}
    if kinds <= {"string", "null"} or (kinds == {"string", "array", "null"} and not cell.startswith("[")):
        return cell
    try:
        return json.loads(cell)
    except ValueError:
        return cell  # the worker says best what is wrong with it


def run_batch(
    rows: list[Row], folder: Path, solve: Solve, concurrency: int, on_done: Callable[[int], None]
) -> list[Outcome]:
    """Do the rows that are not done yet, at most `concurrency` at once, and write the journal, report and sheet.

    A row that failed is tried again the next time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = {outcome.digest: outcome for outcome in _journal(folder) if outcome.status == "done"}
    digests = {row.number: row.digest for row in rows}
    outcomes = {row.number: known[digests[row.number]] for row in rows if digests[row.number] in known}
    on_done(len(outcomes))
    waiting = iter([row for row in rows if row.number not in outcomes])
    with ThreadPoolExecutor(concurrency) as threads, (folder / JOURNAL).open("a", encoding="utf-8") as journal:
        running: set[Future[Outcome]] = set()
        try:
            while True:
                while len(running) < concurrency and (row := next(waiting, None)):
                    running.add(threads.submit(_done, row, digests[row.number], folder, solve))
                if not running:
                    break
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    outcome = future.result()
                    outcomes[outcome.row] = outcome
                    journal.write(json.dumps(vars(outcome), ensure_ascii=False) + "\n")
                    journal.flush()
                    os.fsync(journal.fileno())
                    on_done(len(outcomes))
        finally:
            in_order = [outcomes[number] for number in sorted(outcomes)]
            _write_report(folder, in_order)
            _write_sheet(folder, in_order)
    return in_order


def _journal(folder: Path) -> Iterator[Outcome]:
    """Yield what was noted; a line that was cut off when the batch was stopped does not count."""
    file = folder / JOURNAL
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        try:
            outcome = Outcome(**json.loads(line))
        except (ValueError, TypeError):
            continue
        if outcome.status != "done" or all((folder / name).exists() for name in outcome.file.split()):
            yield outcome


def _done(row: Row, digest: str, folder: Path, solve: Solve) -> Outcome:
    try:
        answer = solve(row.job())
    except (WorkerError, JobError, OSError) as problem:
        sentence = problem.message if isinstance(problem, JobError) else str(problem)
        return Outcome(row.number, digest, "failed", error=sentence)
    files = answer.save(folder / f"{row.number:04d}") if answer.pictures[0].data else []
    places = [file.name for file in files] or [str(picture.url) for picture in answer.pictures]
    return Outcome(
        row.number,
        digest,
        "done",
        file=" ".join(places),
        engine=str(answer.info.get("engine", "")),
        seed=answer.seed,
        seconds=answer.info.get("processing_time"),
        warnings=" | ".join(answer.warnings),
    )


def _write_report(folder: Path, outcomes: list[Outcome]) -> None:
    with (folder / REPORT).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(vars(outcome) for outcome in outcomes)


def _write_sheet(folder: Path, outcomes: list[Outcome]) -> None:
    (folder / "thumbnails").mkdir(exist_ok=True)
    cells = "\n".join(_cell(folder, outcome) for outcome in outcomes)
    failed = sum(outcome.status != "done" for outcome in outcomes)
    (folder / SHEET).write_text(
        "<!doctype html><meta charset=utf-8><title>Batch</title><style>"
        "body{font:14px system-ui;margin:24px}main{display:flex;flex-wrap:wrap;gap:16px}"
        "figure{margin:0;width:320px}img{max-width:320px;max-height:240px}.failed{color:#a00}</style>"
        f"<h1>{len(outcomes)} rows, {failed} failed</h1><main>\n{cells}\n</main>\n",
        encoding="utf-8",
    )


def _cell(folder: Path, outcome: Outcome) -> str:
    if outcome.status != "done":
        return f"<figure class=failed>Row {outcome.row}: {html.escape(outcome.error)}</figure>"
    pictures = "".join(_thumbnail(folder, name) for name in outcome.file.split())
    said = html.escape(outcome.warnings)
    return f"<figure>{pictures}<figcaption>Row {outcome.row}, seed {outcome.seed}. {said}</figcaption></figure>"


def _thumbnail(folder: Path, name: str) -> str:
    if not (folder / name).exists():
        return f'<a href="{html.escape(name)}">{html.escape(name)}</a>'
    small = folder / "thumbnails" / f"{Path(name).stem}.jpg"
    if not small.exists():
        with Image.open(folder / name) as picture:
            picture.thumbnail(THUMBNAIL)
            picture.convert("RGB").save(small, quality=85)
    return f'<a href="{html.escape(name)}"><img src="thumbnails/{small.name}" alt="{html.escape(name)}"></a>'
