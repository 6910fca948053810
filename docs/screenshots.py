"""Makes docs/studio.jpg and docs/studio-phone.jpg from the page in Chromium: python docs/screenshots.py"""

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from models.preview import Preview  # noqa: E402
from testing.browser import browser, click_in_photo, ghost, load  # noqa: E402
from testing.live import serving  # noqa: E402


def placed(page: Page) -> None:
    load(page)
    page.fill("[name=product_height_cm]", "90")
    click_in_photo(page, 247, 656)
    ghost(page)


def made(page: Page) -> None:
    placed(page)
    page.click("#start")
    page.locator("#done").wait_for()
    page.locator("#entries img").wait_for()


def main() -> None:
    with serving(Preview) as live, browser() as chromium:
        for name, width, show in (("studio", 1280, made), ("studio-phone", 390, placed)):
            page = chromium.new_page(viewport={"width": width, "height": 900}, device_scale_factor=1)
            page.goto(live.url + "/")
            show(page)
            shot = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
            shot.save(ROOT / f"docs/{name}.jpg", quality=85, optimize=True)


if __name__ == "__main__":
    main()
