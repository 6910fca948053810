"""docs/gallery.py, with the engine that needs no GPU."""

import re
import sys
from pathlib import Path

from PIL import Image

from tests.commands import ROOT, run

ROOM = ROOT / "examples/real_rooms/kitchen.jpg"


def test_the_gallery_has_a_picture_and_its_seconds_for_every_quality(tmp_path: Path) -> None:
    made = run(
        *(sys.executable, "docs/gallery.py", tmp_path / "gallery", "--qualities", "fast", "best", "--jobs", "1"),
        ENGINE="preview",
    )
    assert made.returncode == 0, made.stderr
    page = (tmp_path / "gallery/README.md").read_text()
    assert "engine preview, no GPU" in page
    rows = re.findall(r"^\| \[kitchen\]\((.+?)\) \| (\w+) \| 0 \| (\d+\.\d\d) \|", page, re.MULTILINE)
    assert [quality for _, quality, _ in rows] == ["fast", "best"]
    shown = re.findall(r"^!\[kitchen\]\((.+?)\)", page, re.MULTILINE)
    for (file, _, seconds), beside in zip(rows, shown, strict=True):
        assert float(seconds) > 0
        with Image.open(tmp_path / "gallery" / file) as answer, Image.open(ROOM) as room:
            assert answer.size == room.size
        with Image.open(tmp_path / "gallery" / beside) as picture:
            assert picture.width > 2 * picture.height, "product, room and answer in a row"
