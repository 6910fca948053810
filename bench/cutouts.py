"""Scores cut-outs against true masks.

usage: python -m bench.cutouts [--model none|download|FILE] [FOLDER]

FOLDER holds product photos in `products` and their masks, white on black, in `masks` under the same names. The default
is the products of `examples/photos` on white, with the alpha they were rendered with as their masks. `--model` is the
setting CUTOUT_MODEL.

The intersection over union is that of soft masks: the sum of the minima over the sum of the maxima. A cut-out warns if
its confidence is below 0.5.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from imaging.codec.decode import ImageLimits, decode
from imaging.cutout import TRUSTED, CutOut, NoProductError, cut_out
from imaging.cutout.product import reduced
from imaging.picture import Picture, Weights
from models.cutout_prior import load_prior

PHOTOS = Path(__file__).resolve().parent.parent / "examples" / "photos"
LIMITS = ImageLimits(max_bytes=100_000_000, max_pixels=100_000_000)
GOOD, BAD = 0.97, 0.9


def cases(folder: Path | None) -> Iterator[tuple[str, Picture, Weights]]:
    """Yield the name, the photo and the mask, 0 to 1, of each product."""
    if folder is None:
        for case in sorted(PHOTOS.glob("*/product_white.png")):
            alpha = read(case.with_name("product_alpha.png")).alpha
            assert alpha is not None
            yield case.parent.name, read(case), alpha.astype(np.float32) / np.float32(255)
        return
    for file in sorted((folder / "masks").glob("*.png")):
        [photo] = (folder / "products").glob(f"{file.stem}.*")
        yield file.stem, read(photo), read(file).pixels[..., 0].astype(np.float32) / np.float32(255)


def read(file: Path) -> Picture:
    return decode(file.read_bytes(), file.name, LIMITS)


def overlap(product: CutOut, photo: Picture, mask: Weights) -> float:
    """Return the intersection over union, with the cut-out where its opaque pixels equal the photo's."""
    pixels, truth = reduced(photo.on_white().pixels), cast(Weights, reduced(mask))
    opaque = (product.alpha > 0.99).astype(np.float32)
    apart = cv2.matchTemplate(pixels, product.color, cv2.TM_SQDIFF, mask=cv2.merge([opaque] * 3))
    left, top = cv2.minMaxLoc(apart)[2]
    rows, columns = product.alpha.shape
    made = np.zeros_like(truth)
    made[top : top + rows, left : left + columns] = product.alpha
    return float(np.minimum(made, truth).sum() / np.maximum(made, truth).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description="scores cut-outs against true masks")
    parser.add_argument("--model", default="none", help="as CUTOUT_MODEL: none, download or an ONNX file")
    parser.add_argument("folder", nargs="?", type=Path, help="with the folders products and masks")
    asked = parser.parse_args()
    prior = load_prior(asked.model)
    scores, warns = [], []
    for name, photo, mask in cases(asked.folder):
        try:
            product = cut_out(photo, prior)
        except NoProductError:
            scores.append(0.0)
            warns.append(True)
            print(f"{name:24} refused")
            continue
        scores.append(overlap(product, photo, mask))
        warns.append(product.confidence < TRUSTED)
        print(
            f"{name:24} {scores[-1]:.3f}  confidence {product.confidence:.2f}{'  warns' if warns[-1] else ''}",
            flush=True,
        )
    made, warned = np.array(scores), np.array(warns)
    bad = made < BAD
    print(f"\nmean {made.mean():.3f}, {GOOD} and more: {(made >= GOOD).mean():.0%}")
    print(
        f"with a warning: {warned[bad].sum()} of {bad.sum()} below {BAD}, {warned[~bad].sum()} of {(~bad).sum()} others"
    )


if __name__ == "__main__":
    main()
