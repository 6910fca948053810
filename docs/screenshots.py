"""Makes docs/studio.jpg and docs/studio-phone.jpg from the page in Chromium: python docs/screenshots.py"""

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from models.preview import Preview  # noqa: E402
from testing.browser import browser, click_in_photo, load  # noqa: E402
from testing.live import serving  # noqa: E402


def armchair(page: Page) -> None:
    load(page)
    click_in_photo(page, 247, 656)
    page.fill("[name=product_height_cm]", "90")
    page.click("#start")
    page.locator("#done").wait_for()
    page.locator("#done summary").click()


def main() -> None:
    with serving(Preview) as live, browser() as chromium:
        for name, size in (("studio", (1280, 1230)), ("studio-phone", (390, 1720))):
            page = chromium.new_page(viewport={"width": size[0], "height": size[1]}, device_scale_factor=1)
            page.goto(live.url + "/")
            armchair(page)
            shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            shot.save(ROOT / f"docs/{name}.jpg", quality=85, optimize=True)


if __name__ == "__main__":
    main()
