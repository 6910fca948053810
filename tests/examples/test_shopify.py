"""examples/shopify: its backend and its block, between a shop on loopback, the local platform and a worker."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from testing.browser import ARMCHAIR, CHROMIUM, browser, patient
from testing.rehearsal import ROOT, Platform, platform, worker
from tests.node import install, path_with_node_22, run

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")


@pytest.fixture(scope="module")
def path() -> str:
    """Return a PATH with the Node that the app asks for."""
    return path_with_node_22()


@pytest.fixture(scope="module")
def app(path: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a copy, alone and built, with pictures and an empty database."""
    app = tmp_path_factory.mktemp("alone") / "shopify"
    shutil.copytree(ROOT / "examples/shopify", app, ignore=shutil.ignore_patterns("node_modules", "dist", "*.sqlite*"))
    install(app, PATH=path)
    for script in ("build", "setup"):
        run(app, "npm", "run", script, PATH=path, CHECKPOINT_DISABLE="1")
    for name in ("product_white", "product_alpha"):
        shutil.copy(ARMCHAIR / f"{name}.png", app)
    room = Image.open(ARMCHAIR / "room.png").convert("RGB")
    room.resize((640, 480)).save(app / "room.jpg")
    _as_phones_do(room.resize((2400, 3200)), app / "phone.jpg")
    return app


def _as_phones_do(upright: Image.Image, file: Path) -> None:
    """Save the picture on its side, with the EXIF orientation that says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(file, exif=exif)


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("worker")
    with (
        platform(webhook_retry_seconds=0.2) as at,
        worker(at, folder, ROOT / "rp_handler.py", ALLOW_PRIVATE_IMAGE_HOSTS="1"),
    ):
        yield at


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def pages(app: Path, path: str, at: Platform) -> Iterator[list[str]]:
    """Yield the addresses of the product page and of the app's page in the admin."""
    env = os.environ | {"PATH": path, "PICTURES": str(app), "RUNPOD_URL": at.base}
    command = ["node", "test/storefront.mjs"]
    with subprocess.Popen(command, cwd=app, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield [process.stdout.readline().strip() for _ in range(2)]
        process.terminate()


@pytest.fixture(scope="module")
def storefront(pages: list[str]) -> str:
    return pages[0]


@contextmanager
def opened(chromium: Browser, storefront: str, script: str = "") -> Iterator[Page]:
    """Open the dialog on the product page, which may send requests only to the shop and must log no error."""
    page = patient(chromium.new_context(viewport={"width": 390, "height": 844}).new_page())
    page.add_init_script(script)
    wrong: list[str] = []
    shop = storefront.removesuffix("/products/armchair")
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith((shop, "data:")) else wrong.append(request.url))
    page.goto(storefront)
    page.click("text=See it in your room")
    yield page
    page.context.close()
    assert not wrong


def test_the_folder_needs_nothing_outside_it(app: Path) -> None:
    assert (app / "dist/main.js").exists(), "installed and built alone"
    assert not [name for name in ("package.json", "package-lock.json") if '"file:' in (app / name).read_text()]


def test_it_serves_a_shop(app: Path, path: str, at: Platform) -> None:
    files = [str(file.relative_to(app)) for file in sorted(app.glob("test/*.test.mjs"))]
    run(app, "node", "--test", "--test-concurrency=2", *files, PATH=path, RUNPOD_URL=at.base, PICTURES=str(app))


@needs_chromium
def test_a_customer_on_a_phone_sees_the_product_where_the_photo_was_tapped(
    chromium: Browser, storefront: str, app: Path, at: Platform
) -> None:
    with opened(chromium, storefront) as page:
        page.set_input_files("[type=file]", app / "phone.jpg")
        stage = page.locator("canvas")
        expect(stage).to_be_visible()
        box = stage.bounding_box()
        assert box
        assert box["height"] / box["width"] == pytest.approx(4 / 3, abs=0.01), "upright"
        stage.click(position={"x": box["width"] / 4, "y": box["height"] * 0.8})
        page.click("text=Show it in my room")
        expect(page.get_by_role("status")).to_have_text("Here it is.")
        assert _last_place(at) == pytest.approx([1536 / 4, 2048 * 0.8], abs=3)
        assert page.locator("img").evaluate("({naturalWidth, naturalHeight}) => [naturalWidth, naturalHeight]") == [
            1536,
            2048,
        ]


def _last_place(at: Platform) -> list[int]:
    """Return the coordinates that the worker received."""
    *_, job = at.endpoint.jobs.values()
    place: list[int] = job.payload["input"]["placement_coordinates"]
    return place


@needs_chromium
def test_the_place_is_chosen_with_the_keyboard_too_and_the_dialog_is_accessible(
    chromium: Browser, storefront: str, app: Path, at: Platform
) -> None:
    with opened(chromium, storefront) as page:
        page.set_input_files("[type=file]", app / "room.jpg")
        expect(page.locator("canvas")).to_be_visible()
        page.locator("[data-part=stage]").focus()
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowDown")
        assert Axe().run(page).violations_count == 0
        page.click("text=Show it in my room")
        expect(page.get_by_role("status")).to_have_text("Here it is.")
        assert _last_place(at) == [640 // 2 - 16, 480 * 3 // 4 + 16]


@needs_chromium
def test_a_file_that_is_no_photo_is_told_in_words(chromium: Browser, storefront: str, app: Path) -> None:
    with opened(chromium, storefront) as page:
        page.set_input_files("[type=file]", app / "package.json")
        expect(page.get_by_role("status")).to_have_text("This photo could not be used. Please try another one.")
        expect(page.locator("canvas")).to_be_hidden()
        page.set_input_files("[type=file]", app / "room.jpg")
        expect(page.get_by_role("status")).to_be_empty()
        expect(page.locator("canvas")).to_be_visible()


OPENS_SLOWLY = """
    const open = createImageBitmap;
    const told = new Promise((go) => (window.goOn = go));
    window.createImageBitmap = async (file) => (await told, open(file));
"""


@needs_chromium
def test_a_photo_that_is_being_opened_is_not_called_a_room(chromium: Browser, storefront: str, app: Path) -> None:
    with opened(chromium, storefront, OPENS_SLOWLY) as page:
        page.set_input_files("[type=file]", app / "room.jpg")
        expect(page.get_by_role("status")).to_have_text("Your photo is being opened")
        expect(page.get_by_role("progressbar")).to_have_accessible_name("Your photo is being opened")
        page.evaluate("goOn()")
        expect(page.get_by_role("status")).to_be_empty()


SHARES = """
    navigator.canShare = () => true;
    navigator.share = async ({ files: [file] }) => { window.shared = [file.type, file.size > 0]; };
"""


@needs_chromium
def test_the_picture_is_shared_and_the_product_bought_beside_it(chromium: Browser, storefront: str, app: Path) -> None:
    with opened(chromium, storefront, SHARES) as page:
        page.set_input_files("[type=file]", app / "room.jpg")
        expect(page.get_by_text("Add to cart")).to_be_hidden()
        page.click("text=Show it in my room")
        expect(page.get_by_role("status")).to_have_text("Here it is.")
        assert Axe().run(page).violations_count == 0
        page.click("text=Share")
        page.wait_for_function("window.shared")
        assert page.evaluate("shared") == ["image/jpeg", True]
        assert page.get_by_text("Open the picture").get_attribute("href") == page.locator("img").get_attribute("src")
        with page.expect_request("**/cart/add") as bought:
            page.click("text=Add to cart")
        assert (bought.value.method, bought.value.post_data) == ("POST", "id=41")


APP_BRIDGE = "window.shopify = { idToken: () => sessionToken() };"

POLARIS = """
    customElements.define("s-number-field", class extends HTMLElement {
        get name() { return this.getAttribute("name"); }
    });
    customElements.define("s-button", class extends HTMLElement {
        connectedCallback() { this.onclick = () => this.closest("form").requestSubmit(); }
    });
"""


@needs_chromium
def test_the_merchant_sees_the_use_and_lowers_the_limit(chromium: Browser, pages: list[str]) -> None:
    storefront, admin = pages
    page = patient(chromium.new_page())
    session_token = storefront.replace("/products/armchair", "/session-token")
    page.expose_function("sessionToken", lambda: httpx2.get(session_token).text)
    scripts = {"app-bridge.js": APP_BRIDGE, "polaris-1.js": POLARIS}
    page.route("https://cdn.shopify.com/**", lambda route: route.fulfill(body=scripts[Path(route.request.url).name]))
    page.goto(admin)
    expect(page.locator("#usage")).to_have_text(re.compile(r"^\d+ of 100 rooms$"))
    limit = page.locator("s-number-field[name=shop]")
    limit.evaluate("field => { field.value = '1000'; }")
    page.click("text=Save")
    expect(page.locator("#problem")).to_have_text("A limit is a whole number, and not above the app's own.")
    limit.evaluate("field => { field.value = '50'; }")
    page.click("text=Save")
    expect(page.locator("#saved")).to_have_text("Saved.")
    expect(page.locator("#usage")).to_have_text(re.compile(r"^\d+ of 50 rooms$"))
    expect(page.locator("#problem")).to_be_hidden()
    page.close()


@pytest.mark.long
@needs_chromium
def test_looks_that_are_lost_do_not_end_the_wait(chromium: Browser, storefront: str, app: Path) -> None:
    troubles: list[Callable[[Route], None]] = [
        lambda route: route.abort(),
        lambda route: route.fulfill(status=502, body="<html>502</html>"),
        lambda route: route.fulfill(status=500, json={"state": "failed", "reason": "other"}),
        lambda route: route.fulfill(status=200, body="<html>Come back soon</html>"),
    ]
    with opened(chromium, storefront) as page:
        page.route("**/apps/room/*", lambda route: troubles.pop()(route) if troubles else route.continue_())
        page.set_input_files("[type=file]", app / "room.jpg")
        page.click("text=Show it in my room")
        expect(page.get_by_role("status")).to_have_text("Here it is.")
        assert not troubles


@needs_chromium
def test_a_failed_job_is_told_in_words_and_can_be_tried_again(chromium: Browser, storefront: str, app: Path) -> None:
    with opened(chromium, storefront) as page:
        page.goto(storefront + "?variant=404")
        page.click("text=See it in your room")
        page.set_input_files("[type=file]", app / "room.jpg")
        page.click("text=Show it in my room")
        expect(page.get_by_role("status")).to_have_text("This product cannot be shown in a room.")
        expect(page.locator("[data-part=send]")).to_be_enabled()
