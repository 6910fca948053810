"""The page at /, in a real browser."""

import io
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from models.preview import Preview
from testing.browser import ARMCHAIR, CHROMIUM, browser, click_in_photo, drag_in_photo, load, patient
from testing.fakes import Failing, Slow
from testing.live import Live, serving
from testing.patience import WAIT_SECONDS

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")

ROOM = (1024, 768)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with serving(Preview) as server:
        yield server


@pytest.fixture
def page(chromium: Browser, live: Live) -> Iterator[Page]:
    with opened(chromium, live) as page:
        yield page


class opened:  # noqa: N801  reads as a function
    """A page of the studio, which must send requests only to its server and log no error."""

    def __init__(self, chromium: Browser, live: Live, **options: Any) -> None:
        self.page = patient(chromium.new_context(**options).new_page())
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self._ask(request.url, live.url))
        self.page.goto(live.url + "/")

    def _ask(self, url: str, own: str) -> None:
        if not url.startswith((own + "/", f"blob:{own}/", "data:,")):
            self.errors.append(f"asked {url}")

    def __enter__(self) -> Page:
        return self.page

    def __exit__(self, *_: object) -> None:
        self.page.context.close()
        assert not self.errors


def result(page: Page) -> None:
    page.click("#start")
    expect(page.locator("#done")).to_be_visible()


def downloaded(page: Page) -> tuple[str, Image.Image]:
    with page.expect_download() as download:
        page.click("#download")
    return download.value.suggested_filename, Image.open(io.BytesIO(download.value.path().read_bytes()))


def code(page: Page, language: str) -> str:
    if not page.locator("#text").is_visible():
        page.click("#code summary")
    page.click(f"[data-language={language}]")
    return page.locator("#text").text_content() or ""


def test_a_click_puts_the_product_there_at_the_photos_exact_size(page: Page) -> None:
    load(page)
    click_in_photo(page, 247, 656)
    assert page.locator("#place").text_content() == "It stands at 247, 656"
    page.fill("[name=product_height_cm]", "90")
    page.click("summary:text('More')")
    page.fill("[name=seed]", "7")
    result(page)
    name, picture = downloaded(page)
    assert (name, picture.size) == ("edit-7.png", ROOM)
    expect(page.locator("#told")).to_contain_text("1024×768, seed 7")
    expect(page.locator("#told")).to_contain_text("a preview without a model")
    page.click("#done summary")
    assert "background identical1" in (page.locator("#checks").text_content() or "")


def test_the_slider_uncovers_the_photo_before(page: Page) -> None:
    load(page)
    result(page)
    expect(page.locator("#before")).to_have_css("clip-path", "inset(0px 100% 0px 0px)")
    page.focus("#split")
    for _ in range(3):
        page.keyboard.press("PageUp")
    share = int(page.input_value("#split"))
    assert share > 20
    assert (
        page.evaluate("getComputedStyle(document.getElementById('before')).clipPath")
        == f"inset(0px {100 - share}% 0px 0px)"
    )


def test_a_dragged_box_is_what_the_product_stands_in(page: Page) -> None:
    load(page)
    drag_in_photo(page, (200, 300), (400, 600))
    numbers = [int(number) for number in re.findall(r"\d+", page.locator("#place").text_content() or "")]
    assert numbers == pytest.approx([200, 300, 401, 601], abs=3)
    result(page)
    assert f'"placement_box": [{",".join(map(str, numbers))}]' in code(page, "curl")


def test_the_keyboard_alone_is_enough(page: Page) -> None:
    load(page)
    page.focus("#stage")
    for key in ("ArrowLeft", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
    assert page.locator("#place").text_content() == "It stands at 502, 604"
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Shift+ArrowLeft")
    assert (page.locator("#place").text_content() or "").startswith("In the box")
    page.keyboard.press("Escape")
    assert (page.locator("#place").text_content() or "").startswith("No place chosen")
    page.focus("#start")
    page.keyboard.press("Enter")
    expect(page.locator("#done")).to_be_visible()


def test_without_a_room_a_new_one_is_made(page: Page) -> None:
    page.set_input_files("#product", ARMCHAIR / "product_white.png")
    page.fill("[name=environment_type]", "bedroom")
    result(page)
    name, picture = downloaded(page)
    assert name.startswith("generate-")
    assert picture.size == (1280, 720)
    expect(page.locator("#slide")).to_be_hidden()


def test_the_examples_are_a_click_away(page: Page) -> None:
    page.click("#example")
    expect(page.locator("#room-shown")).to_be_visible()
    result(page)


def test_progress_and_the_unfinished_picture_are_seen(chromium: Browser) -> None:
    engine = Slow(steps=20, go=threading.Semaphore(16))
    with serving(lambda: engine) as live, opened(chromium, live) as page:
        load(page)
        page.click("#start")
        expect(page.locator("#doing")).to_have_text("denoising")
        page.wait_for_function("document.getElementById('after').naturalWidth == 512")
        expect(page.locator("#done")).to_be_hidden()
        engine.go = None
        expect(page.locator("#done")).to_be_visible()
        assert page.evaluate("document.getElementById('after').naturalWidth") == ROOM[0]


def test_stop_stops_the_job(chromium: Browser) -> None:
    slow = Slow(go=threading.Semaphore(0))
    with serving(lambda: slow) as live, opened(chromium, live) as page:
        load(page)
        page.click("#start")
        expect(page.locator("#doing")).to_have_text("denoising")
        page.click("#stop")
        expect(page.locator("#problem")).to_have_text("Stopped")
        assert slow.inside.acquire(timeout=WAIT_SECONDS)
        assert slow.done_steps == 0


def test_a_wrong_picture_is_said_beside_its_field(page: Page, tmp_path: Path) -> None:
    wrong = tmp_path / "room.png"
    wrong.write_bytes(b"no picture")
    page.set_input_files("#product", ARMCHAIR / "product_white.png")
    page.set_input_files("#room", wrong)
    page.click("#start")
    problem = page.locator("#problem")
    expect(problem).to_contain_text("Invalid room_image: Failed to decode image")
    expect(page.locator("#room")).to_have_class("wrong")
    expect(page.locator("#room")).to_be_focused()
    load(page)
    result(page)
    expect(problem).to_be_hidden()


def test_a_failing_model_and_a_server_that_is_gone_are_said(chromium: Browser) -> None:
    failing = Failing(lambda: RuntimeError("secret"))
    with serving(lambda: failing) as live, opened(chromium, live) as page:
        load(page)
        page.evaluate("document.querySelector('[name=quality]').add(new Option('none'))")
        page.select_option("[name=quality]", "none")
        page.click("#start")
        expect(page.locator("#problem")).to_contain_text("Invalid quality")
        page.select_option("[name=quality]", "")
        result(page)
        expect(page.locator("#told")).to_contain_text("engine preview, as the model failed (")
        page.route("**/v1/edit", lambda route: route.abort())
        page.click("#start")
        expect(page.locator("#problem")).to_have_text("The server cannot be reached")


@pytest.mark.parametrize("language", ["curl", "python", "typescript"])
def test_the_code_does_what_the_page_did(page: Page, tmp_path: Path, language: str) -> None:
    load(page)
    click_in_photo(page, 500, 700)
    page.fill("[name=instructions]", 'next to the "sofa" for $5, `now` \\ it\'s 椅子')
    page.click("summary:text('More')")
    page.uncheck("[name=preserve_background]")
    page.fill("[name=seed]", "7")
    result(page)
    _, shown = downloaded(page)
    for name in ("product_white.png", "room.png"):
        shutil.copy(ARMCHAIR / name, tmp_path)
    run(language, code(page, language), tmp_path)
    made = Image.open(tmp_path / "result.png")
    assert made.tobytes() == shown.tobytes()


def run(language: str, text: str, folder: Path) -> None:
    commands = {
        "curl": ("sh", "bash"),
        "python": ("py", sys.executable),
        "typescript": ("mjs", "node"),
    }
    extension, command = commands[language]
    if shutil.which(command) is None:
        pytest.skip(f"no {command} here")
    script = folder / f"code.{extension}"
    script.write_text(text.replace("(name: string)", "(name)"))  # the only type in it
    subprocess.run([command, script], cwd=folder, check=True)


def test_under_a_key_the_page_asks_for_it_and_its_code_sends_it(chromium: Browser) -> None:
    with serving(Preview, api_key="s3cret") as live:
        assert httpx2.get(live.url + "/").status_code == 401
        login = {"username": "anybody", "password": "s3cret"}
        with opened(chromium, live, http_credentials=login) as page:
            load(page)
            result(page)
            assert "Bearer $API_KEY" in code(page, "curl")
            assert "s3cret" not in page.content()


def test_the_page_can_be_turned_off() -> None:
    with serving(Preview, studio=False) as live:
        assert httpx2.get(live.url + "/").status_code == 405, "jobs are posted there"
        assert httpx2.get(live.url + "/studio/studio.js").status_code == 404


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_everybody_can_use_it(chromium: Browser, live: Live, scheme: Any, width: int) -> None:
    """Axe finds nothing, before and after, and nothing is wider than the window."""
    with opened(chromium, live, color_scheme=scheme, viewport={"width": width, "height": 900}, has_touch=True) as page:
        assert Axe().run(page).response["violations"] == []
        load(page)
        click_in_photo(page, 500, 700)
        result(page)
        for summary in page.locator("summary:visible").all():
            summary.click()
        assert Axe().run(page).response["violations"] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_finger_scrolls_until_it_draws(chromium: Browser, live: Live) -> None:
    with opened(chromium, live, viewport={"width": 390, "height": 900}, has_touch=True, is_mobile=True) as page:
        load(page)
        expect(page.locator("#stage")).to_have_css("touch-action", "pan-y pinch-zoom")
        page.check("#by-finger")
        expect(page.locator("#stage")).to_have_css("touch-action", "none")
        page.locator("#stage").tap(position={"x": 100, "y": 200})
        assert (page.locator("#place").text_content() or "").startswith("It stands at")
