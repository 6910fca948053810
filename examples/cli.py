"""The worker for people: `python -m examples.cli edit chair.png room.jpg --at 400,300 -o out.png`.

Asks a RunPod endpoint (--endpoint, or RUNPOD_ENDPOINT_ID, with RUNPOD_API_KEY) or the worker's HTTP server (--url, with
API_KEY where it wants one); told of neither, it paints here, with the engine that this machine has.
"""

import argparse
import contextlib
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from examples.batch import SHEET, TableError, read_table, run_batch
from examples.python.qwen_worker import (
    Answer,
    Endpoint,
    Job,
    OnProgress,
    Patience,
    Progress,
    Server,
    Worker,
    WorkerError,
    edit_job,
    generate_job,
    read_answer,
)
from handlers.parse import parse
from models.engine import Control
from schemas.errors import JobError
from schemas.jobs import EditJob, GenerateJob, PictureJob
from schemas.settings import SettingsError, read_settings

if TYPE_CHECKING:
    from handlers.router import Router

SPELLINGS = {
    "placement_coordinates": ("--at", "X,Y"),
    "placement_box": ("--box", "LEFT,TOP,RIGHT,BOTTOM"),
    "output_size": ("--size", "WxH"),
    "mask": ("--mask", "FILE"),
    "products": ("--products", "FILE"),
    "replace": ("--replace", "WORDS|L,T,R,B"),
}
FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
BATCH_COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
BAR_WIDTH = 24
CLEAR_LINE = "\r\x1b[2K"
INTERRUPTED = 130
OPTION = re.compile(r"--[\w-]+")
NEGATIVE = re.compile(r"-[\d.]")
"""How a value begins that argparse takes for an option, unless it is one number."""

Number = int | float | str
"""Text where it is none: the worker says best what is wrong with it."""


class _MistakeError(Exception):
    """One sentence for who typed the command."""


def main(words: list[str] | None = None) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that cannot be shown is no failure of the job
    asked = _parser().parse_args(_joined(sys.argv[1:] if words is None else words))
    try:
        return int(asked.act(asked))
    except (WorkerError, SettingsError, TableError, _MistakeError) as problem:
        reason = str(problem)
    except JobError as problem:
        reason = problem.message
    except OSError as problem:
        reason = ": ".join(str(part) for part in (problem.filename, problem.strerror) if part)
    except KeyboardInterrupt:
        print("Cancelled", file=sys.stderr)
        return INTERRUPTED
    print(reason, file=sys.stderr)
    return 1


def _joined(words: list[str]) -> list[str]:
    """`--at -5,600` as `--at=-5,600`."""
    joined: list[str] = []
    for word in words:
        if NEGATIVE.match(word) and joined and OPTION.fullmatch(joined[-1]):
            joined[-1] += "=" + word
        else:
            joined.append(word)
    return joined


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.cli", description=(__doc__ or "").partition("\n\n")[2])
    commands = parser.add_subparsers(required=True, metavar="edit | generate | batch | health")
    edit = commands.add_parser("edit", help="a product into a room photo")
    _add_job(edit, EditJob, edit_job)
    generate = commands.add_parser("generate", help="a new room around a product")
    _add_job(generate, GenerateJob, generate_job)
    batch = commands.add_parser("batch", help="many jobs from a table, resumable")
    batch.add_argument("table", help="a .csv or .jsonl file: a job a row, its columns are the fields of the job")
    batch.add_argument("-o", "--output", required=True, metavar="FOLDER", help="pictures, report.csv and index.html")
    batch.add_argument("--concurrency", type=int, default=4, help="jobs at once (default 4; here always 1)")
    batch.set_defaults(act=_batch)
    health = commands.add_parser("health", help="what the worker says of itself")
    health.set_defaults(act=_health)
    for command in (edit, generate, batch, health):
        where = command.add_argument_group("where, instead of here").add_mutually_exclusive_group()
        where.add_argument("--endpoint", metavar="ID", help="a RunPod endpoint")
        where.add_argument("--url", help="the worker's HTTP server, like http://localhost:8000")
    return parser


def _add_job(parser: argparse.ArgumentParser, schema: type[PictureJob], build: Callable[..., Job]) -> None:
    """Every field of the schema: the pictures that it requires by their place, the others as options."""
    parser.set_defaults(act=_paint, schema=schema, build=build)
    parser.add_argument("-o", "--output", help="the picture's file: .png, .jpg or .webp; or a folder for it")
    told = schema.model_json_schema()
    pictures = [name for name in ("product_image", "room_image") if name in told["properties"]]
    for name in pictures:
        count = None if name in told["required"] else "?"  # an edit of several products has none of its own
        parser.add_argument(name, nargs=count, metavar=name.removesuffix("_image"), help="a file or an https:// URL")
    options = parser.add_argument_group("the job")
    for name, field in told["properties"].items():
        if name not in ("action", *pictures):
            _add_option(options, name, _plain(field))


def _plain(field: Mapping[str, Any]) -> Mapping[str, Any]:
    """JSON schema's words for what a field takes when it is not null."""
    return {**next(iter(field.get("anyOf", ())), {}), **field}


def _add_option(options: "argparse._ArgumentGroup", name: str, field: Mapping[str, Any]) -> None:
    long, text = "--" + name.replace("_", "-"), _help(field).replace("%", "%%")
    if field["type"] == "boolean":
        action = argparse.BooleanOptionalAction
        options.add_argument(long, dest=name, default=argparse.SUPPRESS, action=action, help=text)
        return
    short, metavar = SPELLINGS.get(name, (long, _metavar(field)))
    read = READERS.get(name) or READERS.get(field["type"], str)
    options.add_argument(
        *dict.fromkeys((short, long)), dest=name, default=argparse.SUPPRESS, type=read, metavar=metavar, help=text
    )


def _metavar(field: Mapping[str, Any]) -> str:
    return "{" + ",".join(field["enum"]) + "}" if "enum" in field else field["type"][:3].upper()


def _help(field: Mapping[str, Any]) -> str:
    least, most = field.get("minimum"), field.get("maximum")
    limits = [] if least is None else [f"{least} to {most}"]
    default = field.get("default")
    limits += [] if default in (None, "") else [f"default {default}"]
    return field["description"] + (f" ({', '.join(limits)})" if limits else "")


def _number(text: str) -> Number:
    for read in (int, float):
        with contextlib.suppress(ValueError):
            return read(text)
    return text


def _numbers(text: str) -> list[Number]:
    return [_number(part) for part in re.split("[,x]", text)]


def _products(file: str) -> object:
    """A JSON file with a list of products; their pictures are files or URLs."""
    try:
        return json.loads(Path(file).read_text())
    except (OSError, ValueError) as problem:
        raise argparse.ArgumentTypeError(f"{file} cannot be read: {problem}") from problem


def _replaced(text: str) -> object:
    return _numbers(text) if re.fullmatch(r"[\d.,\s-]+", text) else text


READERS: dict[str, Callable[[str], object]] = {
    "products": _products,
    "replace": _replaced,
    "integer": _number,
    "number": _number,
    "array": _numbers,
}


def _paint(asked: argparse.Namespace) -> int:
    output = None if asked.output is None else _file(asked.output)
    job = _job(asked, output)
    parse(job)  # what is wrong with it is said before anything is loaded or paid
    place = _place(asked)
    path = output or Path(asked.output or "", job["action"])
    path.parent.mkdir(parents=True, exist_ok=True)
    answer = _here(job) if place is None else _there(place, job)
    _show(answer, path)
    return 0


def _batch(asked: argparse.Namespace) -> int:
    if asked.concurrency < 1:
        raise _MistakeError("--concurrency: it must be at least 1")
    rows, place = read_table(Path(asked.table)), _place(asked)
    with contextlib.ExitStack() as stack:
        if place is None:
            router = _router()
            solve, concurrency = (lambda job: _answered(router, job, Control())), 1
        else:
            worker = stack.enter_context(_caller(place))
            solve, concurrency = worker.answer, asked.concurrency
        bar = stack.enter_context(RichProgress(*BATCH_COLUMNS, console=Console(stderr=True), transient=True))
        task = bar.add_task("rows", total=len(rows))
        outcomes = run_batch(
            rows, Path(asked.output), solve, concurrency, lambda done: bar.update(task, completed=done)
        )
    failed = [outcome for outcome in outcomes if outcome.status != "done"]
    for outcome in failed:
        print(f"Row {outcome.row}: {outcome.error}", file=sys.stderr)
    print(Path(asked.output) / SHEET)
    return 1 if failed else 0


def _file(output: str) -> Path | None:
    """None for a folder."""
    path = Path(output)
    if not output:
        raise _MistakeError("-o: the name is empty")
    if output.endswith(("/", os.sep)) or path.is_dir():
        return None
    if path.name.lower() in FORMATS:
        raise _MistakeError(f"{output}: there is no name before {path.name}")
    return path


def _job(asked: argparse.Namespace, output: Path | None) -> Job:
    told = {name: value for name, value in vars(asked).items() if name in asked.schema.model_fields}
    pictures = [told.pop(name) for name in ("product_image", "room_image") if name in told]
    if output:
        told |= _format_of(output, told.get("output_format"))
    job: Job = asked.build(*pictures, **told)
    return job


def _format_of(output: Path, asked: str | None) -> dict[str, str]:
    if not output.suffix:
        return {}
    told = FORMATS.get(output.suffix.lower())
    if told is None:
        raise _MistakeError(f"{output}: a picture's file ends with {', '.join(FORMATS)}")
    if asked not in (None, told):
        raise _MistakeError(f"{output} is no {asked}: leave out --output-format or the ending")
    return {"output_format": told}


def _place(asked: argparse.Namespace) -> Endpoint | Server | None:
    """None is this machine."""
    if asked.url:
        return Server(asked.url, os.environ.get("API_KEY"))
    endpoint = asked.endpoint or os.environ.get("RUNPOD_ENDPOINT_ID")
    if not endpoint:
        return None
    key = os.environ.get("RUNPOD_API_KEY")
    if not key:
        raise _MistakeError(f"RUNPOD_API_KEY is not set: the endpoint {endpoint} asks for it")
    return Endpoint(endpoint, key, os.environ.get("RUNPOD_ENDPOINT_BASE_URL") or Endpoint.base_url)


def _there(place: Endpoint | Server, job: Job) -> Answer:
    with _caller(place) as worker, _bar() as bar:
        return worker.answer(job, on_progress=bar)


def _caller(place: Endpoint | Server) -> Worker:
    return Worker(place, patience=Patience(tries=4))


def _here(job: Job) -> Answer:
    with _bar() as bar:
        if bar:
            bar(Progress("the engine loads", 0, 1, 0))
        router = _router()
        control = Control(lambda progress: bar(Progress(**asdict(progress)))) if bar else Control()
        return _answered(router, job, control)


def _answered(router: "Router", job: Job, control: Control) -> Answer:
    from handlers.router import Call

    return read_answer(router.work(parse(job), Call("cli", control)))


def _router() -> "Router":
    """With its engine loaded. Raises SettingsError."""
    from handlers.router import build_router
    from models.build import build

    settings = read_settings()
    router = build_router(settings, build(settings))
    router.wait_until_loaded()
    return router


def _health(asked: argparse.Namespace) -> int:
    place = _place(asked)
    if place is None:
        from handlers.router import Call
        from schemas.jobs import HealthJob

        told = _router().work(HealthJob(action="health_check"), Call("cli"))
    else:
        with _caller(place) as worker:
            told = worker.health_check()
    print("\n".join(f"{name:>16}  {value}" for name, value in told.items()))
    return 0 if told.get("status") in ("healthy", "ready") else 1


@contextlib.contextmanager
def _bar() -> Iterator[OnProgress | None]:
    """Gone at the end; None where nobody watches."""
    if not sys.stderr.isatty():
        yield None
        return
    try:
        yield _draw
    finally:
        sys.stderr.write(CLEAR_LINE)


def _draw(progress: Progress) -> None:
    done = BAR_WIDTH * progress.percent // 100
    bar = "█" * done + "░" * (BAR_WIDTH - done)
    sys.stderr.write(f"{CLEAR_LINE}{bar} {progress.percent:3d} %  {progress.stage} {progress.step}/{progress.of}")
    sys.stderr.flush()


def _show(answer: Answer, output: Path) -> None:
    """Where the pictures are goes to standard output, for scripts; the rest is for the eye."""
    if answer.pictures[0].data:
        places = [str(file) for file in answer.save(output)]
    else:
        places = [str(picture.url) for picture in answer.pictures]
    for where, picture in zip(places, answer.pictures, strict=True):
        print(f"{answer.info['engine']}, seed {picture.seed}:", file=sys.stderr, flush=True)
        print(where, flush=True)
    for warning in answer.warnings:
        print(f"Warning: {warning}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
