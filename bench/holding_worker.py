"""rp_handler.py with an engine that holds a simulated GPU for HOLD_SECONDS per job and records the times in the file
HOLDS."""

import os
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import rp_handler  # noqa: E402
from models.engine import Control, EditTask, Painted  # noqa: E402
from models.preview import Preview  # noqa: E402
from models.resident import Resident  # noqa: E402
from schemas.settings import Settings  # noqa: E402


class Holding(Preview):
    def __init__(self) -> None:
        self._gpu = threading.Lock()

    def edit(self, task: EditTask, control: Control) -> Painted:
        with self._gpu:
            began = time.monotonic()
            time.sleep(float(os.environ["HOLD_SECONDS"]))
            with Path(os.environ["HOLDS"]).open("a") as holds:
                holds.write(f"{began} {time.monotonic()}\n")
        return super().edit(task, control)


def build(settings: Settings) -> Resident:
    return Resident("holding", Holding, settings.ready_wait_seconds)


if __name__ == "__main__":
    rp_handler.build = build  # type: ignore[attr-defined]  # imported there, not exported
    rp_handler.main()
