"""Counts the files and functions that an edit runs through, and the calls between files.

usage: python bench/edit_path.py [--checkout DIR] [--json]

Runs one preview edit of examples/photos/armchair_daylight through the router of the checkout and counts every Python
call between functions of that checkout. A first edit, which fills caches, is not counted. `between handlers` counts how
often control passes from one module of handlers/ to another, by pair.
"""

import argparse
import base64
import json
import os
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CASE = ROOT / "examples/photos/armchair_daylight"
FOOT, HEIGHT_CM = [247, 656], 90


@dataclass
class Trace:
    """Counts calls between functions whose files are below `root`; calls through libraries count for their caller."""

    root: str
    functions: set[CodeType] = field(default_factory=set)
    crossings: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        if event != "call" or not self._is_ours(frame):
            return
        self.functions.add(frame.f_code)
        caller = frame.f_back
        while caller is not None and not self._is_ours(caller):
            caller = caller.f_back
        if caller is not None and caller.f_code.co_filename != frame.f_code.co_filename:
            self.crossings[self._name(caller.f_code), self._name(frame.f_code)] += 1

    def _is_ours(self, frame: FrameType) -> bool:
        file = frame.f_code.co_filename
        return file.startswith(self.root) and "/.venv/" not in file and file != __file__

    def _name(self, code: CodeType) -> str:
        return code.co_filename.removeprefix(self.root)

    def summary(self) -> dict[str, Any]:
        handlers = {
            f"{caller} -> {callee}": count
            for (caller, callee), count in sorted(self.crossings.items())
            if caller.startswith("handlers/") and callee.startswith("handlers/")
        }
        return {
            "files": len({code.co_filename for code in self.functions}),
            "functions": len(self.functions),
            "cross_file_calls": sum(self.crossings.values()),
            "between_handlers": sum(handlers.values()),
            "handlers": handlers,
        }


def job() -> dict[str, Any]:
    product, room = ((CASE / name).read_bytes() for name in ("product_alpha.png", "room.png"))
    return {
        "product_image": base64.b64encode(product).decode(),
        "room_image": base64.b64encode(room).decode(),
        "placement_coordinates": FOOT,
        "product_height_cm": HEIGHT_CM,
        "seed": 1,
    }


def traced_edit(checkout: Path) -> Trace:
    os.chdir(checkout)
    sys.path.insert(0, str(checkout))
    from handlers.router import Call, build_router
    from models.preview import Preview
    from models.resident import Resident
    from schemas.settings import Settings

    router = build_router(Settings(_env_file=None, engine="preview"), Resident("preview", Preview, 10))
    assert router.answer(job(), Call("first"))["success"]
    trace = Trace(f"{checkout}/")
    sys.setprofile(trace)
    answer = router.answer(job(), Call("second"))
    sys.setprofile(None)
    assert answer["success"]
    return trace


def main() -> None:
    parser = argparse.ArgumentParser(description="counts the files and cross-file calls of an edit")
    parser.add_argument("--checkout", type=Path, default=ROOT, help="the working tree to measure (this one)")
    parser.add_argument("--json", action="store_true", help="one JSON line instead of the table")
    asked = parser.parse_args()
    told = traced_edit(asked.checkout.resolve()).summary()
    if asked.json:
        print(json.dumps(told))
        return
    handlers = told.pop("handlers")
    for name, count in told.items():
        print(f"{count:6}  {name.replace('_', ' ')}")
    for pair, count in handlers.items():
        print(f"{count:6}    {pair}")


if __name__ == "__main__":
    main()
