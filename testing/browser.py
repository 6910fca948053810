"""Debian's Chromium, for tests and for the pictures in the docs."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from testing.patience import WAIT_SECONDS

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]

ARMCHAIR = Path(__file__).resolve().parent.parent / "examples/photos/armchair_daylight"


@contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        expect.set_options(timeout=WAIT_SECONDS * 1000)
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=WAIT_SECONDS * 1000)
        yield chromium
        chromium.close()


def patient(page: Page) -> Page:
    """Raise the page's timeouts to those of a busy machine and return it."""
    page.set_default_timeout(WAIT_SECONDS * 1000)
    return page


def load(page: Page) -> None:
    """Load an armchair and a room into the page."""
    page.set_input_files("#product", ARMCHAIR / "product_white.png")
    page.set_input_files("#room", ARMCHAIR / "room.png")
    for name in ("product", "room"):
        expect(page.locator(f"#{name}-shown")).not_to_have_js_property("naturalWidth", 0)
    expect(page.locator("#placing")).to_be_visible()


def click_in_photo(page: Page, x: float, y: float) -> None:
    """Click at a pixel of the photo."""
    page.mouse.click(*on_screen(page, x, y))


def drag_in_photo(page: Page, start: tuple[float, float], stop: tuple[float, float]) -> None:
    page.mouse.move(*on_screen(page, *start))
    page.mouse.down()
    page.mouse.move(*on_screen(page, *stop), steps=4)
    page.mouse.up()


def ghost(page: Page, number: int = 0) -> Locator:
    """Return a product as it is drawn in the photo before anything is painted."""
    shown = page.locator("#ghosts img").nth(number)
    expect(shown).not_to_have_js_property("naturalWidth", 0)
    return shown


def on_screen(page: Page, x: float, y: float) -> tuple[float, float]:
    stage = page.locator("#stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box
    width, height = page.evaluate(
        "(({naturalWidth: w, naturalHeight: h}) => [w, h])(document.getElementById('room-shown'))"
    )
    return box["x"] + box["width"] * (x + 0.5) / width, box["y"] + box["height"] * (y + 0.5) / height
