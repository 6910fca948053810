"""The command `qwen-edit`, or `python -m examples.cli` in a checkout. docs/cli.md shows how to use it."""

import contextlib
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bar

from examples.batch import SHEET, TableError, filled, read_table, run_batch
from examples.python.qwen_worker import Answer, Endpoint, Patience, Server, Worker, WorkerError, as_text
from handlers.parse import parse
from schemas.errors import JobError
from schemas.jobs import ACTIONS
from schemas.settings import SettingsError
from schemas.version import VERSION

if TYPE_CHECKING:
    from examples.here import Here

FAILED, INTERRUPTED = 1, 130
"""Exit codes; click's own is 2, for an invalid command line."""

STANDARD = "-"
"""Standard input or output instead of a file."""

POSITIONAL = ("product_image", "room_image")
SPELLINGS = {
    "placement_coordinates": ("--at", "X,Y"),
    "placement_box": ("--box", "LEFT,TOP,RIGHT,BOTTOM"),
    "output_size": ("--size", "WxH"),
    "mask": ("--mask", "FILE"),
    "products": ("--products", "FILE"),
    "replace": ("--replace", "WORDS|BOX"),
}
FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
STAGES = {
    "queue": "waiting",
    "decode": "reading",
    "cut-out": "cutting out",
    "layout": "placing",
    "compose": "composing",
    "denoising": "painting",
    "encode": "writing",
}


@dataclass
class Session:
    """The options of every command, and what follows from them."""

    endpoint: str | None = None
    url: str | None = None
    json: bool = False
    quiet: bool = False

    @property
    def console(self) -> Console:
        """Standard error, for people."""
        return Console(stderr=True, quiet=self.quiet, highlight=False, soft_wrap=True)

    def note(self, sentence: str, style: str = "") -> None:
        self.console.print(sentence, style=style, markup=False)

    def tell(self, lines: Iterable[str], told: object) -> None:
        """Write to standard output: the lines, or `told` as JSON."""
        click.echo(json.dumps(told, indent=2) if self.json else "\n".join(lines))

    def place(self) -> Endpoint | Server | None:
        """Return where jobs run, None for this machine. Raises WorkerError if an endpoint's key is missing."""
        if self.endpoint and self.url:
            raise click.UsageError("--endpoint and --url exclude each other")
        if self.url:
            return Server(self.url, os.environ.get("API_KEY"))
        endpoint, key = self.endpoint or os.environ.get("RUNPOD_ENDPOINT_ID"), os.environ.get("RUNPOD_API_KEY")
        if endpoint and not key:
            raise WorkerError(f"RUNPOD_API_KEY is not set: endpoint {endpoint} requires it", "UNAUTHORIZED")
        base_url = os.environ.get("RUNPOD_ENDPOINT_BASE_URL") or Endpoint.base_url
        return Endpoint(endpoint, key, base_url) if endpoint and key else None

    @contextlib.contextmanager
    def worker(self) -> "Iterator[Worker | Here]":
        if place := self.place():
            with Worker(place, patience=Patience(tries=4)) as worker:
                yield worker
        else:
            from examples.here import Here

            yield Here()

    @contextlib.contextmanager
    def bar(self, doing: str, total: int) -> Iterator[Callable[[int, str], None]]:
        """Yield a function that moves a progress bar on standard error, shown only in a terminal."""
        columns = TextColumn("{task.description:<11}"), BarColumn(), TaskProgressColumn()
        shown = self.console.is_terminal and not self.quiet
        with Bar(*columns, console=self.console, transient=True, disable=not shown) as bar:
            task = bar.add_task(doing, total=total)
            yield lambda done, doing: bar.update(task, completed=done, description=doing)


class Commands(click.Group):
    def invoke(self, ctx: click.Context) -> None:
        """Run the command; its failure is one sentence, or JSON, and its exit code."""
        session = ctx.obj = Session()
        try:
            super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("Cancelled", err=True)
            ctx.exit(INTERRUPTED)
        except (WorkerError, JobError, SettingsError, TableError, OSError) as problem:
            named = isinstance(problem, OSError) and problem.filename
            sentence = f"{named}: {problem.strerror}" if isinstance(problem, OSError) and named else str(problem)
            if session.json:
                code, fields = getattr(problem, "code", None), getattr(problem, "fields", ())
                session.tell([], {"error": sentence, "error_code": code, "fields": fields})
            else:
                Session().note(sentence, "red")  # also where the rest is to be quiet
            ctx.exit(FAILED)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(VERSION, prog_name="qwen-edit")
def main() -> None:
    """Put a shop's product into pictures.

    Jobs run on a RunPod endpoint (--endpoint, or RUNPOD_ENDPOINT_ID; its key is RUNPOD_API_KEY), on the worker's HTTP
    server (--url; its key is API_KEY), or else on this machine.

    Exit codes: 0 done, 1 refused or failed, 2 wrong command line, 130 interrupted.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # an unprintable file name is not a failure of the job


def _keep(ctx: click.Context, param: click.Parameter, value: object) -> None:
    setattr(ctx.obj, param.name or "", value)


def _common(*names: str, **told: Any) -> click.Option:
    return click.Option(names, expose_value=False, callback=_keep, **told)


COMMON: list[click.Parameter] = [
    _common("--endpoint", metavar="ID", help="a RunPod endpoint that runs the jobs"),
    _common("--url", metavar="URL", help="the worker's HTTP server, such as http://localhost:8000"),
    _common("--json", is_flag=True, help="write the answer, or the error, as JSON"),
    _common("-q", "--quiet", is_flag=True, help="no progress, seeds and warnings on standard error"),
]


def _params(action: str, *arguments: click.Parameter) -> list[click.Parameter]:
    """Return the parameters of a job: pictures by position, every other field of its schema as an option."""
    where = "a file (.png, .jpg, .webp), a folder, or - for standard output"
    fields = ACTIONS[action].model_json_schema()["properties"]
    return [
        *arguments,
        click.Option(["-o", "--output"], type=click.Path(), help=where),
        *(_option(name, field) for name, field in fields.items() if name not in ("action", *POSITIONAL)),
        *COMMON,
    ]


def _option(name: str, field: Mapping[str, Any]) -> click.Option:
    field = {**next(iter(field.get("anyOf", ())), {}), **field}  # the schema of values other than null
    long, about = "--" + name.replace("_", "-"), field["description"]
    if (default := field.get("default")) not in (None, ""):
        about += f" (default {str(default).lower()})"
    if field["type"] == "boolean":
        return click.Option([f"{long}/--no-{long[2:]}", name], default=None, help=about)
    short, metavar = SPELLINGS.get(name, (long, None))
    return click.Option([*dict.fromkeys((short, long)), name], type=_type(name, field), metavar=metavar, help=about)


def _type(name: str, field: Mapping[str, Any]) -> click.ParamType[Any] | Callable[[str], object]:
    if name in READERS:
        return READERS[name]
    if "enum" in field:
        return click.Choice(field["enum"])
    if field["type"] in ("integer", "number"):
        kind = click.IntRange if field["type"] == "integer" else click.FloatRange
        return kind(field.get("minimum"), field.get("maximum"))
    return _numbers if field["type"] == "array" else click.STRING


def _numbers(text: str) -> list[float]:
    return [float(part) for part in re.split("[,x]", text)]


def _words_or_box(text: str) -> object:
    return _numbers(text) if re.fullmatch(r"[\d.,\s-]+", text) else text


def _products(file: str) -> object:
    try:
        return json.loads(Path(file).read_text())
    except ValueError as problem:
        raise click.BadParameter(f"{file} is not JSON: {problem}") from None


READERS: dict[str, click.ParamType[Any] | Callable[[str], object]] = {
    "mask": click.Path(),
    "products": _products,
    "replace": _words_or_box,
}

EXAMPLE = "\b\nExample:\n  qwen-edit "


@main.command(
    params=_params("edit", click.Argument(["pictures"], nargs=-1, metavar="[PRODUCT] ROOM", type=click.Path())),
    epilog=EXAMPLE + "edit chair.png room.jpg --at 400,600 --product-height-cm 90 -o placed.jpg",
)
@click.pass_obj
def edit(session: Session, /, pictures: tuple[str, ...], output: str | None, **told: Any) -> None:
    """Put a product into a room photo.

    Pictures are files, https:// URLs, or - for standard input. Leave out PRODUCT if --products lists several.
    """
    if not 1 <= len(pictures) <= len(POSITIONAL):
        raise click.UsageError("edit takes a product and a room, or --products and a room")
    _do(session, dict(zip(POSITIONAL[-len(pictures) :], pictures, strict=True)) | told, "edit", output)


@main.command(
    params=_params("generate", click.Argument(["product_image"], metavar="PRODUCT", type=click.Path())),
    epilog=EXAMPLE + "generate chair.png --environment-type bedroom --size 1280x720 -o bedroom.png",
)
@click.pass_obj
def generate(session: Session, /, output: str | None, **told: Any) -> None:
    """Make a new room around a product: a file, an https:// URL, or - for standard input."""
    _do(session, told, "generate", output)


def _do(session: Session, told: Mapping[str, Any], action: str, output: str | None) -> None:
    fields = {name: value for name, value in told.items() if value is not None}
    path = None if output == STANDARD else _path(output, action)
    if list(fields.values()).count(STANDARD) > 1:
        raise click.UsageError("Standard input can hold only one picture")
    if path is None and (session.json or fields.get("n", 1) > 1 or fields.get("response_format") == "url"):
        raise click.UsageError("-o - writes a single picture and excludes --json, --n and --response-format url")
    ending = FORMATS.get(path.suffix.lower()) if path else None
    if ending and fields.setdefault("output_format", ending) != ending:
        raise click.UsageError(f"{path} does not match --output-format {fields['output_format']}: drop one of them")
    job = filled({"action": action, "idempotency_key": uuid4().hex, **fields}, _as_text)
    parse(job)  # errors are reported before anything is loaded or paid for
    with session.bar("loading", 100) as show, session.worker() as worker:
        answer = worker.answer(job, on_progress=lambda at: show(at.percent, STAGES.get(at.stage, at.stage)))
    _save(session, answer, path)


def _as_text(picture: str) -> str:
    return as_text(sys.stdin.buffer.read() if picture == STANDARD else picture)


def _path(output: str | None, action: str) -> Path:
    """Return the file of the picture, without a suffix if the answer decides it."""
    if output == "":
        raise click.UsageError("-o: the name is empty")
    path = Path(output or ".")
    if output is None or output.endswith(("/", os.sep)) or path.is_dir():
        return path / action
    if path.name.lower() in FORMATS or path.suffix.lower() not in ("", *FORMATS):
        raise click.UsageError(f"{output}: the file name of a picture must match *{', *'.join(FORMATS)}")
    return path


def _save(session: Session, answer: Answer, path: Path | None) -> None:
    for picture in answer.pictures:
        session.note(f"{answer.info['engine']}, seed {picture.seed}")
    for warning in answer.warnings:
        session.note(f"Warning: {warning}", "yellow")
    if path is None:
        sys.stdout.buffer.write(answer.pictures[0].data)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    files = answer.save(path) if answer.pictures[0].data else [picture.url for picture in answer.pictures]
    pictures = [
        {"file": str(file), "mime_type": picture.mime_type, "seed": picture.seed}
        for file, picture in zip(files, answer.pictures, strict=True)
    ]
    told = {"pictures": pictures, "info": answer.info, "placements": answer.placements, "warnings": answer.warnings}
    session.tell([str(file) for file in files], told | {"job_id": answer.job_id})


@main.command(params=[*COMMON], epilog=EXAMPLE + "batch jobs.csv -o placed/ --concurrency 8")
@click.argument("table", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="folder for the pictures and the report",
)
@click.option(
    "--concurrency", type=click.IntRange(1), default=4, help="jobs to run at once (default 4; 1 on this machine)"
)
@click.pass_obj
def batch(session: Session, /, table: Path, output: Path, concurrency: int) -> None:
    """Run a table of jobs (.csv or .jsonl, one per row). Repeat the command to continue after a stop."""
    rows = read_table(table)
    with session.bar("rows", len(rows)) as show, session.worker() as worker:
        results = run_batch(
            rows,
            output,
            lambda jobs: worker.map(jobs, concurrency=concurrency, in_order=False),
            lambda done: show(done, f"{done} of {len(rows)} rows"),
        )
    failed = [result for result in results if result.status != "done"]
    for result in failed:
        click.echo(f"Row {result.row}: {result.error}", err=True)
    session.tell([str(output / SHEET)], {"sheet": str(output / SHEET), "rows": [vars(each) for each in results]})
    sys.exit(FAILED if failed else 0)


@main.command(params=[*COMMON], epilog=EXAMPLE + "health --url http://localhost:8000")
@click.pass_obj
def health(session: Session, /) -> None:
    """Show the worker's state. Fails if the key is wrong or the worker is not ready."""
    with session.worker() as worker:
        told = worker.health_check()
    session.tell((f"{name:>16}  {value}" for name, value in told.items()), told)
    sys.exit(0 if told.get("status") == "healthy" else FAILED)


@click.command()
@click.version_option(VERSION, prog_name="qwen-edit-serve")
def serve() -> None:
    """Serve OpenAI's images API and the jobs over HTTP.

    Settings are environment variables, or lines of .env in the current folder: ENGINE, HOST, PORT, API_KEY, ...
    """
    import server

    server.main()


if __name__ == "__main__":
    main()
