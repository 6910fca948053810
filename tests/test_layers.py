"""Imports point down only: doors -> handlers -> models -> imaging -> schemas, with transport beside imaging."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "schemas": {"schemas"},
    "imaging": {"schemas", "imaging"},
    "transport": {"schemas", "transport"},
    "models": {"schemas", "imaging", "models"},
    "handlers": {"schemas", "imaging", "transport", "models", "handlers"},
    "local_platform": {"local_platform"},
    "web": {"schemas", "imaging", "transport", "models", "handlers", "web"},
}
ABOVE = {"rp_handler", "server", "examples", "testing", "tests", "bench"}
HEAVY = {"torch", "diffusers", "transformers", "boto3", "runpod", "fastapi"}


def imports_of(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_text())))
    named = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    plain = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    return {module.split(".")[0] for module in named | plain}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_rooms_below_it(room: str) -> None:
    for file in (ROOT / room).rglob("*.py"):
        upward = imports_of(file) & {*MAY_IMPORT, *ABOVE} - MAY_IMPORT[room]
        assert not upward, f"{file.relative_to(ROOT)} imports {upward}"


def test_no_door_imports_an_example() -> None:
    assert not any("examples" in imports_of(ROOT / door) for door in ("rp_handler.py", "server.py"))


def test_a_client_to_copy_imports_nothing_of_ours() -> None:
    for file in (ROOT / "examples/python").rglob("*.py"):
        assert not imports_of(file) & {*MAY_IMPORT, *ABOVE}, file


@pytest.mark.parametrize(
    ("room", "beside"), [("testing", {"tests", "bench"}), ("bench", {"tests"}), ("tests", {"bench"})]
)
def test_tests_and_benches_share_only_what_is_in_testing(room: str, beside: set[str]) -> None:
    for file in (ROOT / room).rglob("*.py"):
        assert not imports_of(file) & beside, file


def test_torch_is_imported_in_models_alone() -> None:
    for room in MAY_IMPORT.keys() - {"models"}:
        for file in (ROOT / room).rglob("*.py"):
            assert not imports_of(file) & {"torch", "diffusers", "transformers"}, file


def test_importing_a_door_imports_nothing_heavy() -> None:
    code = f"import sys, rp_handler; print(sorted({HEAVY!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


IMAGING_FLOORS = (
    {"picture", "per_photo"},
    {"arrays", "byte_cache"},
    {"resize"},
    {"codec", "geometry"},
    {"cutout"},
    {"placement", "scenes"},
    {"lighting"},
    {"compose"},
    {"restoration"},
)
"""The rooms of `imaging` from the lowest floor up: each imports only those below it."""


def imaging_rooms_of(file: Path) -> set[str]:
    nodes = ast.walk(ast.parse(file.read_text()))
    modules = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {module.split(".")[1] for module in modules if module.startswith("imaging.")}


@pytest.mark.parametrize("floor", range(len(IMAGING_FLOORS)))
def test_inside_imaging_a_room_imports_only_rooms_on_lower_floors(floor: int) -> None:
    below = set().union(*IMAGING_FLOORS[:floor])
    for room in IMAGING_FLOORS[floor]:
        files = [ROOT / f"imaging/{room}.py", *(ROOT / "imaging" / room).rglob("*.py")]
        for file in filter(Path.exists, files):
            upward = imaging_rooms_of(file) - below - {room}
            assert not upward, f"{file.relative_to(ROOT)} imports {upward}"


def test_every_room_of_imaging_has_its_floor() -> None:
    there = {path.stem for path in (ROOT / "imaging").iterdir() if path.is_dir() or path.suffix == ".py"}
    assert there - {"__init__", "__pycache__"} == set().union(*IMAGING_FLOORS)
