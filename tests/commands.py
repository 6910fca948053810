"""Checks the commands in the docs: what they name must exist, and curl commands are run."""

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from deploy.ray_options import Options
from examples import cli
from handlers.parse import parse
from schemas.settings import Settings
from tests.deploy.helm import rendered

ROOT = Path(__file__).resolve().parent.parent
LOCAL = "http://localhost:8000"
ENDPOINT = "https://api.runpod.ai/v2/"

OTHERS = (
    "RUNPOD_",
    "TEST_PATIENCE",
    "HF_",
    "TORCHINDUCTOR_",
    "MODEL_PATH_",
    "TIMED_OUT",
    "IN_QUEUE",
    "IN_PROGRESS",
    "RAY_",
    "PYTHONPATH",
)
"""Prefixes of words in capitals that are not settings of the worker."""

BUILD_ARGUMENTS = set(re.findall(r"^ARG (\w+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
SDK_OPTIONS = {"--test_input", "--rp_serve_api", "--rp_api_host", "--rp_api_port"}
READERS_OWN = "your_app.py"


def run(*command: str | Path, **told: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | told
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def is_setting(name: str) -> bool:
    return name.lower() in Settings.model_fields or name.startswith(OTHERS)


def check(text: str, folder: Path, server: str) -> None:
    """Check every command of a block: what it names must exist in `folder` or the root, and a curl of LOCAL is sent to
    `server`."""
    for line in text.replace("\\\n", " ").splitlines():
        inside = line.startswith("(")
        there = _check_line(line.strip().strip("()"), folder, server)
        folder = folder if inside else there


def _check_line(line: str, folder: Path, server: str) -> Path:
    """Check a line and return the folder in which it ends."""
    for command in re.split(r"\s(?:&&|\|)\s", line):
        words = shlex.split(command, comments=True)
        while words and (told := re.fullmatch(r"([A-Z][A-Z_]*)=.*", words[0])):
            assert is_setting(told[1]) or "examples" in folder.parts, told[1]
            words = words[1:]
        if words[:1] == ["cd"]:
            folder = next(place for place in (folder / words[1], ROOT / words[1]) if place.is_dir())
        elif words:
            CHECKS[Path(words[0]).name](words[1:], folder, server)
    return folder


def _make(words: list[str], _folder: Path, _server: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {word for word in words if "=" not in word} <= targets


def _python(words: list[str], _folder: Path, _server: str) -> None:
    """Check that the program exists and knows the options."""
    if words[:2] in (["-m", "venv"], ["-m", "pytest"]):
        assert all((ROOT / word).exists() for word in words[2:] if "/" in word)
        return
    if words[:2] == ["-m", "examples.cli"]:
        _examples_cli(words)
        return
    if words[0] == "-m":
        target = ROOT / Path(*words[1].split("."))
        words, file = words[2:], next(f for f in (target.with_suffix(".py"), target / "__main__.py") if f.exists())
    else:
        words, file = words[1:], ROOT / words[0]
    if file.name == READERS_OWN:
        return
    source = file.read_text()
    ast.parse(source)
    for option in _options(words):
        assert f'"{option}"' in source or option in SDK_OPTIONS, option


def _examples_cli(words: list[str]) -> None:
    """Parse the options of commands for an endpoint or a server, and run those for this machine."""
    if {"--endpoint", "--url"} & set(words) or "batch" in words:
        name, *told = words[2:]
        cli.main.commands[name].make_context(name, told, obj=cli.Session())
        return
    assert "-o" in words or "health" in words, "it would leave a picture here"
    with TemporaryDirectory() as folder:
        asked = [f"{folder}/{word}" if before == "-o" else word for before, word in pairwise(["", *words])]
        done = run(sys.executable, *asked, ENGINE="preview")
        assert (done.returncode, len(list(Path(folder).iterdir()))) == (0, words.count("-o")), done.stderr


def _pip(words: list[str], _folder: Path, _server: str) -> None:
    assert all((ROOT / word).exists() for word in words if word.endswith((".txt", ".lock")))


def _curl(words: list[str], _folder: Path, server: str) -> None:
    """Parse commands for an endpoint, and run those for this server."""
    if any(word.startswith(ENDPOINT) for word in words):
        assert "-d" in words or words[0].endswith("/health")
        for data in _after(words, "-d"):
            parse(json.loads((ROOT / data[1:]).read_text() if data.startswith("@") else data)["input"])
        return
    urls = [word.replace(LOCAL, server) for word in words]
    done = run("curl", "-sS", "--fail-with-body", "--max-time", "60", *urls)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr


def _docker(words: list[str], _folder: Path, _server: str) -> None:
    if words[0] == "compose":
        _compose(words[1:])
        return
    assert words[0] in ("build", "push", "run"), words
    for name, _, value in (told.partition("=") for told in _after(words, "--build-arg")):
        assert name in BUILD_ARGUMENTS, name
        assert name != "REQUIREMENTS" or (ROOT / f"{value}.lock").exists(), value
    for told in _after(words, "-e"):
        assert is_setting(told.partition("=")[0]), told


def _compose(words: list[str]) -> None:
    [file] = _after(words, "-f")
    services = yaml.safe_load((ROOT / file).read_text())["services"]
    assert words[-1] in services, words[-1]


def _helm(words: list[str], _folder: Path, _server: str) -> None:
    """Check that the values exist in the chart."""
    [chart] = [word for word in words if (ROOT / word / "Chart.yaml").is_file()]
    values = yaml.safe_load((ROOT / chart / "values.yaml").read_text())
    for value in _after(words, "--set"):
        name, *inner = value.partition("=")[0].split(".")
        assert name in values, value
        assert not inner or name == "settings" or inner[0] in values[name], value


def _kubectl(words: list[str], _folder: Path, _server: str) -> None:
    """Check that the names are those of the chart."""
    things = {(thing["kind"].lower(), thing["metadata"]["name"]) for thing in rendered()}
    named = [word.split("/") for word in words if re.fullmatch(r"(deployment|service)/[\w-]+", word)]
    assert {(kind, name) for kind, name in named} <= things


RUNPODCTL = {
    ("template", "create"): {
        *("--serverless", "--name", "--container-disk-in-gb", "--image"),
        *("--docker-start-cmd", "--ports", "--env"),
    },
    ("serverless", "create"): {
        *("--template-id", "--name", "--gpu-id", "--min-cuda-version", "--workers-max", "--execution-timeout"),
        "--model-reference",
    },
    ("serverless", "get"): set(),
    ("serverless", "update"): {"--workers-max"},
}
"""Subcommands and options of runpodctl 2.4, from its reference."""


def _runpodctl(words: list[str], _folder: Path, _server: str) -> None:
    options = {word for word in words if word.startswith("--")}
    assert options <= RUNPODCTL[words[0], words[1]]


def _npm(words: list[str], folder: Path, _server: str) -> None:
    package: dict[str, Any] = json.loads((folder / "package.json").read_text())
    assert words[0] in ("ci", "install", "test", "pack", "pkg", "publish") or words[1] in package["scripts"], words


def _node(words: list[str], folder: Path, _server: str) -> None:
    assert (folder / words[0]).exists(), words[0]


def _serve(words: list[str], _folder: Path, _server: str) -> None:
    """Check Ray's command, which names an attribute of a module or a file."""
    for word in words[1:]:
        module, _, name = word.partition(":")
        if name:
            assert re.search(rf"^(def )?{name}\b", (ROOT / f"{module.replace('.', '/')}.py").read_text(), re.MULTILINE)
        elif word.endswith(".yaml"):
            assert (ROOT / word).exists()
        elif "=" in word:
            assert word.partition("=")[0] in Options.model_fields, word


def _shell(_words: list[str], _folder: Path, _server: str) -> None:
    """Accept a command that names nothing in this repository."""


def _options(words: list[str]) -> Iterator[str]:
    return (word.partition("=")[0] for word in words if word.startswith("--"))


def _after(words: list[str], option: str) -> list[str]:
    return [value for name, value in pairwise(words) if name == option]


CHECKS: dict[str, Callable[[list[str], Path, str], None]] = {
    "make": _make,
    "python": _python,
    "python3.11": _python,
    "pip": _pip,
    "uv": _pip,
    "curl": _curl,
    "docker": _docker,
    "helm": _helm,
    "on_a_card.sh": lambda _words, _folder, _server: None,
    "runpodctl": _runpodctl,
    "kubectl": _kubectl,
    "npm": _npm,
    "node": _node,
    "serve": _serve,
    "ray": _shell,
    "export": _shell,
    "echo": _shell,
    "sed": _shell,
    "cp": _shell,
}
