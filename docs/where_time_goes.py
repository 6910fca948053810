"""Draws docs/where-time-goes.svg from what the benches measure on this machine: python docs/where_time_goes.py"""

import sys
from html import escape
from pathlib import Path

import cv2

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench import overhead, stages  # noqa: E402

MODEL_SECONDS = 1.02
"""Four steps of the transformer on a room of 1024x1024 and a product of 512x512 at 790 TFLOP/s: computed, not
measured."""

MEGAPIXELS = 12
WIDTH, LEFT, TOP, ROW, BAR = 1000, 250, 48, 58, 30
COLORS = ("#4e79a7", "#76b7b2", "#59a14f", "#edc948")

Parts = list[tuple[str, float]]


def around() -> tuple[Parts, float]:
    """Return the seconds of each part of a JPEG answer, and those of reading and writing with plain PNG."""
    rows = overhead.rows_of(MEGAPIXELS, overhead.worker())
    jpeg = next(row for row in rows if row.output_format == "jpeg")
    case = stages.score(overhead.ROOM, "product_white.png")["new"]
    parts = [
        ("read and write", jpeg.seconds),
        ("cut-out and layout", case["cut-out"] + case["layout"]),
        *((stage, case[stage]) for stage in ("guide", "restore and judge")),
    ]
    return parts, jpeg.plain_seconds


def drawing(rows: list[tuple[str, Parts, str | None]]) -> str:
    longest = max(sum(seconds for _, seconds in parts) for _, parts, _ in rows)
    scale = (WIDTH - LEFT - 80) / longest
    lines = []
    for index, (name, parts, fill) in enumerate(rows):
        x, y = float(LEFT), TOP + index * ROW
        lines.append(f'<text x="{LEFT - 12}" y="{y + 20}" text-anchor="end">{escape(name)}</text>')
        for number, (part, seconds) in enumerate(parts):
            width = seconds * scale
            color = fill or COLORS[number]
            lines.append(f'<rect x="{x:.0f}" y="{y}" width="{width:.0f}" height="{BAR}" fill="{color}"/>')
            if part:
                lines.append(f'<rect x="{LEFT + number * 185}" y="12" width="14" height="14" fill="{color}"/>')
                lines.append(f'<text x="{LEFT + number * 185 + 20}" y="24">{escape(part)}</text>')
            x += width
        lines.append(f'<text x="{x + 8:.0f}" y="{y + 20}">{sum(seconds for _, seconds in parts):.2f} s</text>')
    height = TOP + len(rows) * ROW
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"',
        'font-family="sans-serif" font-size="15">',
        '<pattern id="computed" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect width="8" height="8" fill="#e8e8e8"/><rect width="4" height="8" fill="#b07aa1"/></pattern>',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        *lines,
        "</svg>\n",
    ])  # fmt: skip


def main() -> None:
    cv2.setNumThreads(2)
    parts, plain = around()
    rows: list[tuple[str, Parts, str | None]] = [
        ("around the model", parts, None),
        ("plain reading and writing", [("", plain)], "#bab0ac"),
        ("the model, computed", [("", MODEL_SECONDS)], "url(#computed)"),
    ]
    (ROOT / "docs/where-time-goes.svg").write_text(drawing(rows))


if __name__ == "__main__":
    main()
