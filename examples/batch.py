"""Runs many jobs from a table: `qwen-edit batch jobs.csv -o folder/`.

Each row of the CSV or JSONL file is a job: its columns are the job's fields, and pictures are files (relative to the
table) or URLs. Finished rows are recorded in the folder, so that a stopped batch continues where it left off.
"""

import csv
import hashlib
import html
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from examples.python.qwen_worker import Job, JobResult, as_text
from handlers.parse import parse
from schemas.errors import JobError
from schemas.jobs import ACTIONS

JOURNAL, REPORT, SHEET = "done.jsonl", "report.csv", "index.html"
PICTURES = ("product_image", "room_image", "mask")
THUMBNAIL = (320, 240)
COLUMNS = ("row", "status", "file", "engine", "seed", "seconds", "warnings", "error")

Perform = Callable[[Iterable[Job]], Iterable[JobResult]]
"""Runs jobs and yields their results in any order, as Worker.map does."""


class TableError(Exception):
    """An error message about the table."""


@dataclass(frozen=True)
class Row:
    """One job of the table. `digest` distinguishes it from every other job, wherever it stands in the table."""

    number: int
    fields: dict[str, Any]
    folder: Path

    @property
    def digest(self) -> str:
        """Return a digest of the fields and of the files that they name."""
        told = json.dumps(filled(self.fields, self._fingerprint), sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:32]

    def job(self) -> Job:
        """Return the job. Raises JobError if it is invalid, OSError if a picture cannot be read."""
        job = filled({"action": "edit", **self.fields, "idempotency_key": f"batch-{self.digest}"}, self._picture)
        parse(job)
        return job

    def _picture(self, value: str) -> str:
        file = self._file(value)
        return as_text(file or value)

    def _fingerprint(self, value: str) -> str:
        file = self._file(value)
        return hashlib.sha256(file.read_bytes()).hexdigest() if file and file.is_file() else value

    def _file(self, value: str) -> Path | None:
        """Return the file that a value names, or None for a URL."""
        if value.startswith(("https://", "http://", "data:")):
            return None
        return self.folder / value


def filled(fields: Mapping[str, Any], read: Callable[[str], str]) -> Job:
    """Return the fields with each picture, including those of `products`, replaced by `read` of it."""
    job = {name: read(told) if name in PICTURES and isinstance(told, str) else told for name, told in fields.items()}
    if isinstance(products := fields.get("products"), list):
        job["products"] = [filled(each, read) if isinstance(each, dict) else each for each in products]
    return job


@dataclass(frozen=True)
class RowResult:
    """The result of a row, as recorded in the journal."""

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
    """Return the rows of a CSV table or a file of JSON lines. Raises TableError for anything else."""
    text = file.read_text(encoding="utf-8-sig")
    if file.suffix.lower() == ".jsonl":
        rows = list(_lines(text))
    elif file.suffix.lower() == ".csv":
        rows = [_cells(cells) for cells in csv.DictReader(io.StringIO(text, newline=""))]
    else:
        raise TableError(f"{file}: the name of a job table must end with .csv or .jsonl")
    return [Row(number, fields, file.parent) for number, fields in enumerate(rows, 1)]


def _lines(text: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except ValueError as problem:
            raise TableError(f"Line {number} is not JSON: {problem}") from None
        if not isinstance(fields, dict):
            raise TableError(f"Line {number} is not a JSON object")
        yield fields


def _cells(cells: dict[str | None, Any]) -> dict[str, Any]:
    """Return the fields of a CSV row. Cells of fields that are not text contain JSON: a number, true, [1, 2]."""
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
        return cell  # the worker explains best what is wrong with it


def run_batch(rows: list[Row], folder: Path, perform: Perform, on_done: Callable[[int], None]) -> list[RowResult]:
    """Run the rows that are not done yet, and write the journal, the report and the sheet.

    A failed row is tried again in the next run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = {result.digest: result for result in _journal(folder) if result.status == "done"}
    digests = {row.number: row.digest for row in rows}
    results = {row.number: known[digests[row.number]] for row in rows if digests[row.number] in known}
    waiting, sent = [row for row in rows if row.number not in results], list[Row]()
    with (folder / JOURNAL).open("a", encoding="utf-8") as journal:

        def note(result: RowResult) -> None:
            results[result.row] = result
            journal.write(json.dumps(vars(result), ensure_ascii=False) + "\n")
            journal.flush()
            os.fsync(journal.fileno())
            on_done(len(results))

        def jobs() -> Iterator[Job]:
            for row in waiting:
                try:
                    job = row.job()
                except (JobError, OSError) as problem:
                    note(RowResult(row.number, digests[row.number], "failed", error=str(problem)))
                else:
                    sent.append(row)
                    yield job

        on_done(len(results))
        try:
            for done in perform(jobs()):
                row = sent[done.index]
                note(_result(row.number, digests[row.number], folder, done))
        finally:
            in_order = [results[number] for number in sorted(results)]
            _write_report(folder, in_order)
            _write_sheet(folder, in_order)
    return in_order


def _journal(folder: Path) -> Iterator[RowResult]:
    """Yield the recorded results, ignoring a line that was cut off when the batch was stopped."""
    file = folder / JOURNAL
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        try:
            result = RowResult(**json.loads(line))
        except (ValueError, TypeError):
            continue
        if result.status != "done" or all((folder / name).exists() for name in result.file.split()):
            yield result


def _result(row: int, digest: str, folder: Path, done: JobResult) -> RowResult:
    """Save the pictures of a finished row and return its result."""
    answer = done.answer
    if answer is None:
        return RowResult(row, digest, "failed", error=str(done.error))
    files = answer.save(folder / f"{row:04d}") if answer.pictures[0].data else []
    places = [file.name for file in files] or [str(picture.url) for picture in answer.pictures]
    return RowResult(
        row,
        digest,
        "done",
        file=" ".join(places),
        engine=str(answer.info.get("engine", "")),
        seed=answer.seed,
        seconds=answer.info.get("processing_time"),
        warnings=" | ".join(answer.warnings),
    )


def _write_report(folder: Path, results: list[RowResult]) -> None:
    with (folder / REPORT).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(vars(result) for result in results)


def _write_sheet(folder: Path, results: list[RowResult]) -> None:
    (folder / "thumbnails").mkdir(exist_ok=True)
    cells = "\n".join(_cell(folder, result) for result in results)
    failed = sum(result.status != "done" for result in results)
    (folder / SHEET).write_text(
        "<!doctype html><meta charset=utf-8><title>Batch</title><style>"
        "body{font:14px system-ui;margin:24px}main{display:flex;flex-wrap:wrap;gap:16px}"
        "figure{margin:0;width:320px}img{max-width:320px;max-height:240px}.failed{color:#a00}</style>"
        f"<h1>{len(results)} rows, {failed} failed</h1><main>\n{cells}\n</main>\n",
        encoding="utf-8",
    )


def _cell(folder: Path, result: RowResult) -> str:
    if result.status != "done":
        return f"<figure class=failed>Row {result.row}: {html.escape(result.error)}</figure>"
    pictures = "".join(_thumbnail(folder, name) for name in result.file.split())
    said = html.escape(result.warnings)
    return f"<figure>{pictures}<figcaption>Row {result.row}, seed {result.seed}. {said}</figcaption></figure>"


def _thumbnail(folder: Path, name: str) -> str:
    if not (folder / name).exists():
        return f'<a href="{html.escape(name)}">{html.escape(name)}</a>'
    small = folder / "thumbnails" / f"{Path(name).stem}.jpg"
    if not small.exists():
        with Image.open(folder / name) as picture:
            picture.thumbnail(THUMBNAIL)
            picture.convert("RGB").save(small, quality=85)
    return f'<a href="{html.escape(name)}"><img src="thumbnails/{small.name}" alt="{html.escape(name)}"></a>'
