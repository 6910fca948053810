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
from testing.browser import ARMCHAIR, CHROMIUM, browser, click_in_photo, drag_in_photo, ghost, load, patient
from testing.fakes import Failing, Slow
from testing.live import Live, serving
from testing.patience import WAIT_SECONDS
from testing.pictures import as_base64

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")

ROOM = (1024, 768)
PICTURES = {"product_image": "product_white.png", "room_image": "room.png"}


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
    assert page.locator("#place").text_content() == "At 247, 656"
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


def test_the_divider_on_the_picture_uncovers_the_photo_before(page: Page) -> None:
    load(page)
    result(page)
    first = int(page.input_value("#split"))
    page.focus("#split")
    for _ in range(3):
        page.keyboard.press("PageUp")
    share = int(page.input_value("#split"))
    assert share > first
    assert (
        page.evaluate("getComputedStyle(document.getElementById('before')).clipPath")
        == f"inset(0px {100 - share}% 0px 0px)"
    )


def test_a_dragged_box_is_what_the_product_stands_in(page: Page) -> None:
    load(page)
    page.check("[value=box]")
    drag_in_photo(page, (200, 300), (400, 600))
    numbers = [int(number) for number in re.findall(r"\d+", page.locator("#place").text_content() or "")]
    assert numbers == pytest.approx([200, 300, 401, 601], abs=3)
    result(page)
    assert f'"placement_box": [{", ".join(map(str, numbers))}]' in code(page, "curl")


def test_the_keyboard_alone_is_enough(page: Page) -> None:
    load(page)
    page.focus("#stage")
    for key in ("ArrowLeft", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
    assert page.locator("#place").text_content() == "At 502, 604"
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Shift+ArrowLeft")
    assert (page.locator("#place").text_content() or "").startswith("In the box")
    page.keyboard.press("Escape")
    assert (page.locator("#place").text_content() or "").startswith("No place yet")
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
    expect(page.locator("#split")).to_be_hidden()


def test_the_examples_are_a_click_away(page: Page) -> None:
    page.click("#example")
    expect(page.locator("#room-shown")).to_be_visible()
    result(page)


def test_progress_and_the_unfinished_picture_are_seen(chromium: Browser) -> None:
    engine = Slow(steps=20, go=threading.Semaphore(16))
    with serving(lambda: engine) as live, opened(chromium, live) as page:
        load(page)
        page.click("#start")
        expect(page.locator("#doing")).to_have_text("Painting")
        expect(page.locator("#after")).to_have_js_property("naturalWidth", 512)
        expect(page.locator("#done")).to_be_hidden()
        engine.go = None
        expect(page.locator("#done")).to_be_visible()
        expect(page.locator("#after")).to_have_js_property("naturalWidth", ROOM[0])


def test_stop_stops_the_job(chromium: Browser) -> None:
    slow = Slow(go=threading.Semaphore(0))
    with serving(lambda: slow) as live, opened(chromium, live) as page:
        load(page)
        page.click("#start")
        expect(page.locator("#doing")).to_have_text("Painting")
        page.click("#stop")
        expect(page.locator("#note")).to_have_text("Stopped")
        expect(page.locator("#problem")).to_be_hidden()
        assert slow.inside.acquire(timeout=WAIT_SECONDS)
        assert slow.done_steps == 0


def test_what_is_wrong_is_said_beside_its_field_at_once(page: Page, tmp_path: Path) -> None:
    wrong = tmp_path / "room.png"
    wrong.write_bytes(b"no picture")
    page.set_input_files("#room", wrong)
    expect(page.locator("#room_image-problem")).to_have_text("This file is no picture I can read")
    page.fill("[name=product_height_cm]", "0")
    page.press("[name=product_height_cm]", "Tab")
    expect(page.locator("#product_height_cm-problem")).to_have_text("A number from 1 to 1000")
    page.click("#start")
    expect(page.locator("#product_image-problem")).to_have_text("Choose a picture of the product first")
    expect(page.locator("#room_image-problem")).to_be_visible()
    page.click("#no-room")
    expect(page.locator("#room_image-problem")).to_have_count(0)
    page.fill("[name=product_height_cm]", "90")
    load(page)
    result(page)
    expect(page.locator(".problem")).to_have_count(0)


def test_what_only_the_server_sees_is_said_beside_the_field_of_its_product(page: Page, tmp_path: Path) -> None:
    load(page)
    click_in_photo(page, 300, 700)
    Image.new("RGB", (64, 64), "white").save(tmp_path / "nothing.png")
    page.click("#add")
    page.set_input_files("#product", tmp_path / "nothing.png")
    with page.expect_response("**/v1/layout"):
        click_in_photo(page, 700, 700)
    expect(page.locator("#product_image-problem")).to_have_text("I see no product in this picture")
    expect(page.locator("#products [aria-pressed=true]")).to_have_attribute("aria-label", "Product 2")


def test_a_failing_model_and_a_server_that_is_gone_are_said(chromium: Browser) -> None:
    failing = Failing(lambda: RuntimeError("secret"))
    with serving(lambda: failing) as live, opened(chromium, live) as page:
        load(page)
        page.click("summary:text('More')")
        page.evaluate("document.querySelector('[name=quality]').add(new Option('none'))")
        page.select_option("[name=quality]", "none")
        page.click("#start")
        expect(page.locator("#quality-problem")).to_contain_text("It should be 'fast', 'balanced' or 'best'")
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
        page.check("[value=box]")
        expect(page.locator("#stage")).to_have_css("touch-action", "none")
        page.check("[value=point]")
        page.locator("#stage").tap(position={"x": 100, "y": 200})
        assert (page.locator("#place").text_content() or "").startswith("At ")
        expect(page.locator(".camera:visible")).to_have_count(2)


def test_a_ghost_shows_the_true_size_before_anything_is_painted(page: Page) -> None:
    load(page)
    page.fill("[name=product_height_cm]", "90")
    click_in_photo(page, 247, 656)
    seen = ghost(page).bounding_box()
    stage = page.locator("#stage").bounding_box()
    assert seen
    assert stage
    result(page)
    page.click("#done summary")
    share = ROOM[1] * seen["height"] / stage["height"]
    job = {"placement_coordinates": [247, 656], "product_height_cm": 90}
    texts = {name: as_base64((ARMCHAIR / file).read_bytes()) for name, file in PICTURES.items()}
    answer = httpx2.post(page.url + "v1/layout", json=texts | job).json()
    _, top, _, bottom = answer["placements"][0]["box"]
    assert share == pytest.approx(bottom - top, rel=0.02)


def test_a_ghost_follows_its_mark_and_its_size(page: Page) -> None:
    load(page)
    page.fill("[name=product_height_cm]", "90")
    click_in_photo(page, 247, 656)
    before = ghost(page).bounding_box()
    with page.expect_response("**/v1/layout"):
        page.fill("[name=product_height_cm]", "45")
        page.press("[name=product_height_cm]", "Tab")
    page.focus("#stage")
    with page.expect_response("**/v1/layout"):
        page.keyboard.press("ArrowRight")
    after = ghost(page).bounding_box()
    assert before
    assert after
    assert after["height"] == pytest.approx(before["height"] / 2, rel=0.2)  # a low one is seen from further above
    assert after["x"] + after["width"] / 2 > before["x"] + before["width"] / 2
    page.keyboard.press("Escape")
    expect(page.locator("#ghosts img:visible")).to_have_count(0)


def test_a_rugs_ghost_lies_in_the_floor(page: Page) -> None:
    load(page)
    page.select_option("[name=placement_surface]", "rug")
    page.fill("[name=product_width_cm]", "150")
    page.fill("[name=rotation_degrees]", "20")
    click_in_photo(page, 500, 700)
    matrix = ghost(page).evaluate("ghost => getComputedStyle(ghost).transform")
    numbers = [float(number) for number in matrix.removeprefix("matrix3d(").removesuffix(")").split(",")]
    assert numbers[7] != 0  # nearer rows are wider
    result(page)
    assert '"placement_surface": "rug"' in code(page, "curl")
    assert '"rotation_degrees": 20' in code(page, "curl")


def test_several_products_go_into_one_picture(page: Page) -> None:
    load(page)
    page.fill("[name=product_name]", "Green armchair")
    page.fill("[name=product_height_cm]", "90")
    click_in_photo(page, 247, 656)
    page.click("#add")
    page.set_input_files("#product", ARMCHAIR / "product_white.png")
    expect(page.locator("[name=product_name]")).to_have_value("")
    page.fill("[name=product_height_cm]", "60")
    click_in_photo(page, 800, 700)
    assert ghost(page, 0).bounding_box() != ghost(page, 1).bounding_box()
    page.click("[aria-label='Product 1']")
    expect(page.locator("[name=product_name]")).to_have_value("Green armchair")
    result(page)
    text = code(page, "python")
    assert text.count('"placement_coordinates"') == 2
    assert '"products": [{"product_image": picture("product_white.png")' in text
    expect(page.locator("#entries img")).to_have_attribute("alt", re.compile("^Green armchair, product_white.png, "))


def test_an_old_thing_is_replaced_where_it_is_marked(page: Page) -> None:
    load(page)
    page.check("[value=replace]")
    drag_in_photo(page, (210, 500), (280, 560))
    assert (page.locator("#place").text_content() or "").startswith("Replaces what is in the box")
    page.check("[value=point]")
    click_in_photo(page, 247, 656)
    page.fill("[name=product_height_cm]", "90")
    result(page)
    assert '"replace": [210, 500, 281, 561]' in code(page, "curl")
    page.click("#again")
    page.check("[value=replace]")
    drag_in_photo(page, (500, 400), (700, 500))
    page.click("#start")
    expect(page.locator("#replace-problem")).to_contain_text("The product does not cover this")


def test_words_for_an_old_thing_need_a_model(page: Page) -> None:
    load(page)
    page.fill("[name=replace]", "the old sofa")
    page.click("#start")
    expect(page.locator("#replace-problem")).to_have_text("Words are not understood here: mark it in the photo")


def test_results_are_kept_in_this_browser(page: Page) -> None:
    load(page)
    result(page)
    expect(page.locator("#entries img")).to_have_count(1)
    page.click("#again")
    expect(page.locator("#placing")).to_be_visible()
    page.reload()
    page.click("#entries button")
    expect(page.locator("#after")).to_have_js_property("naturalWidth", ROOM[0])
    expect(page.locator("#split")).to_be_visible()
    page.click("#forget")
    expect(page.locator("#history")).to_be_hidden()
    page.reload()
    expect(page.locator("#examples")).to_be_visible()
    expect(page.locator("#history")).to_be_hidden()


def test_variants_stand_side_by_side(page: Page) -> None:
    load(page)
    page.click("summary:text('More')")
    page.select_option("[name=n]", "2")
    page.fill("[name=seed]", "7")
    result(page)
    expect(page.locator("#variants img")).to_have_count(2)
    page.click("#variants button >> nth=1")
    assert downloaded(page)[0] == "edit-8.png"


def test_a_picture_is_shared_where_the_browser_can(chromium: Browser, live: Live) -> None:
    with opened(chromium, live) as page:
        load(page)
        page.evaluate(
            """Object.assign(navigator, {
                canShare: () => true,
                share: async ({files}) => { document.title = files[0].name; },
            })"""
        )
        result(page)
        page.click("#share")
        expect(page).to_have_title(re.compile(r"edit-\d+\.png"))


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_pictures_may_be_dropped_and_pasted_anywhere(page: Page, event: str) -> None:
    """The first is the product, the second the room."""
    texts = [as_base64((ARMCHAIR / file).read_bytes()) for file in PICTURES.values()]
    page.evaluate(
        """async ([event, texts]) => {
            const files = new DataTransfer();
            for (const [index, text] of texts.entries()) {
                const data = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
                files.items.add(new File([data], `${index}.png`, { type: "image/png" }));
            }
            const [drop, paste] = [{ dataTransfer: files }, { clipboardData: files }];
            document.body.dispatchEvent(event === "drop" ? new DragEvent("drop", { bubbles: true, ...drop })
                : new ClipboardEvent("paste", { bubbles: true, ...paste }));
        }""",
        [event, texts],
    )
    expect(page.locator("#product-shown")).to_be_visible()
    expect(page.locator("#placing")).to_be_visible()
    result(page)


def test_no_picture_is_drawn_broken(chromium: Browser) -> None:
    """While it waits, without a photo to show."""
    engine = Slow(go=threading.Semaphore(0))
    broken = "[...document.images].filter((image) => image.offsetParent && !image.naturalWidth).length"
    with serving(lambda: engine) as live, opened(chromium, live) as page:
        assert page.evaluate(broken) == 0
        load(page)
        page.click("#start")
        expect(page.locator("#doing")).to_have_text("Painting")
        assert page.evaluate(broken) == 0
        page.click("#stop")
        expect(page.locator("#note")).to_have_text("Stopped")


def test_nothing_moves_for_those_who_want_that(chromium: Browser, live: Live) -> None:
    with opened(chromium, live, reduced_motion="reduce") as page:
        expect(page.locator("html")).to_have_css("scroll-behavior", "auto")
