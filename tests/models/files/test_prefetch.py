"""Weights are read while libraries are being imported."""

import subprocess
import sys
from pathlib import Path

from models.files import weights
from models.files.prefetch import BLOCK, ReadAhead, available, lanes
from schemas.settings import Settings
from testing.patience import WAIT_SECONDS

ROOT = Path(__file__).parents[3]

START = """
import sys, threading
from importlib.abc import MetaPathFinder
from pathlib import Path
events, weights_move = [], threading.Event()
class Torch(MetaPathFinder):
    '''Its import takes until weights move, and then fails.'''
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            events.append("torch-begins")
            if weights_move.wait(300):
                events.append("torch-ends")
            raise ImportError("no torch")
sys.meta_path.insert(0, Torch())
def heard(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".safetensors") and not weights_move.is_set():
        events.append("weights-move")
        weights_move.set()
from models import build
from schemas.settings import Settings
sys.addaudithook(heard)
try:
    build._load("qwen", Settings(_env_file=None, qwen_image_edit_location=sys.argv[1]))
except ImportError:
    print(",".join(events))
"""


def checkpoint(folder: Path) -> Path:
    """Write a checkpoint in the published layout."""
    (folder / "model_index.json").write_text("{}")
    for part, stem in weights.STEMS.items():
        (folder / part).mkdir()
        (folder / part / f"{stem}.safetensors").write_bytes(bytes(1000))
    return folder


def test_weights_move_before_torch_is_imported(tmp_path: Path) -> None:
    command = [sys.executable, "-c", START, str(checkpoint(tmp_path))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    events = done.stdout.strip().split(",")
    assert events.index("weights-move") < events.index("torch-ends")


def test_every_part_is_read_once(tmp_path: Path) -> None:
    reader = ReadAhead(lanes(Settings(_env_file=None, qwen_image_edit_location=str(checkpoint(tmp_path)))), 10**9)
    for thread in reader.threads:
        thread.join(WAIT_SECONDS)
    assert reader.moved == 3000


def test_it_reads_no_more_than_it_may(tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(bytes(4 * BLOCK))
    reader = ReadAhead([[file]], BLOCK + 1)
    reader.threads[0].join(WAIT_SECONDS)
    assert reader.moved == 2 * BLOCK


def test_it_stops_in_the_middle_of_a_file() -> None:
    reader = ReadAhead([[Path("/dev/zero")]], 10**18)
    reader.stop()
    reader.threads[0].join(WAIT_SECONDS)
    assert not reader.threads[0].is_alive()


def test_a_checkpoint_that_is_not_here_is_no_fault_yet(tmp_path: Path) -> None:
    assert lanes(Settings(_env_file=None, qwen_image_edit_location=str(tmp_path / "none"))) == []


def test_the_machine_says_how_much_memory_it_has() -> None:
    assert available() > 0
