"""examples/typescript, built and run against the local platform and the HTTP server."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from schemas.version import VERSION
from testing.browser import ARMCHAIR, CHROMIUM, browser, patient
from testing.live import serving
from testing.pictures import plain_room, red_vase
from testing.rehearsal import ROOT, platform, worker
from testing.unkind_worker import Unkind
from tests.node import install, needs_node, run

PACKAGE = ROOT / "examples/typescript"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a built copy with pictures."""
    needs_node()
    folder = tmp_path_factory.mktemp("client") / "typescript"
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("node_modules", "dist", "__pycache__"))
    install(folder)
    run(folder, "npm", "run", "build")
    plain_room().save(folder / "room.png")
    red_vase().save(folder / "product.png")
    return folder


def test_the_types_are_those_of_the_schemas(package: Path) -> None:
    run(package, "npm", "run", "types", PYTHON=sys.executable, PYTHONPATH=str(ROOT))
    assert (package / "src/types.ts").read_text() == (PACKAGE / "src/types.ts").read_text(), "npm run types"


def test_the_compiler_refuses_a_wrong_job_and_takes_what_the_readme_shows(package: Path) -> None:
    for number, block in enumerate(_shown("ts")):
        (package / f"test/shown{number}.ts").write_text(block)
    run(package, "npm", "run", "check")


def test_it_serves_through_the_queue_and_over_http(package: Path, tmp_path: Path) -> None:
    with platform() as here, worker(here, tmp_path), serving(Unkind, api_key="key", queue_limit=1) as live:
        run(package, "npm", "test", PLATFORM_URL=here.base, SERVER_URL=live.url, PICTURES=str(package))


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
def test_it_runs_in_a_browser_as_it_was_built(package: Path) -> None:
    with serving(Unkind) as live, browser() as chromium:
        page = patient(chromium.new_page())
        page.route("**/dist/*", lambda route: route.fulfill(path=package / "dist" / Path(route.request.url).name))
        page.goto(live.url)
        for name, file in (("product", "product_white.png"), ("room", "room.png")):
            page.evaluate(
                "id => document.body.append(Object.assign(document.createElement('input'), {type: 'file', id}))",
                f"my-{name}",
            )
            page.set_input_files(f"#my-{name}", ARMCHAIR / file)
        size = page.evaluate("""async () => {
            const { fileToBase64, Server, toBlob } = await import("/dist/index.js");
            const [product_image, room_image] = await Promise.all(
                ["my-product", "my-room"].map((id) => fileToBase64(document.getElementById(id).files[0])));
            const answer = await new Server({ url: location.origin }).editProduct({ product_image, room_image });
            const { width, height } = await createImageBitmap(await toBlob(answer));
            return [width, height];
        }""")
        assert size == [1024, 768]


def test_its_version_is_the_workers() -> None:
    told = json.loads((PACKAGE / "package.json").read_text()), json.loads((PACKAGE / "package-lock.json").read_text())
    assert {each["version"] for each in told} == {VERSION.replace(".dev", "-dev.")}


@pytest.fixture(scope="module")
def packed(package: Path) -> Path:
    """Return the package that `npm pack` makes."""
    run(package, "npm", "pack")
    [file] = package.glob("*.tgz")
    return file


def test_what_is_packed_is_built_and_read_and_licensed(packed: Path) -> None:
    with tarfile.open(packed) as archive:
        names = {name.removeprefix("package/") for name in archive.getnames()}
    built = {f"dist/{file.stem}{suffix}" for file in (PACKAGE / "src").iterdir() for suffix in (".js", ".d.ts")}
    assert names == {"package.json", "README.md", "LICENSE"} | built
    assert (PACKAGE / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_packed_it_works_in_an_empty_folder(packed: Path, tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "package.json").write_text("{}")
    for name in ("room.png", "product.png"):
        shutil.copy(packed.with_name(name), tmp_path)
    run(tmp_path, "npm", "install", "--offline", "--no-audit", str(packed))
    [block] = _shown("js")
    (tmp_path / "shown.mjs").write_text(block)
    with platform() as here, worker(here, tmp_path / "log"):
        run(tmp_path, "node", "shown.mjs", ENDPOINT=here.base)
    with Image.open(tmp_path / "placed.png") as placed:
        assert placed.size == (160, 120)


def test_its_own_tests_say_what_they_need(package: Path) -> None:
    bare = {name: told for name, told in os.environ.items() if name not in ("PICTURES", "PLATFORM_URL", "SERVER_URL")}
    done = subprocess.run(["npm", "test"], cwd=package, env=bare, capture_output=True, text=True)
    assert done.returncode != 0
    assert "PICTURES is not set: a folder with product.png" in done.stdout + done.stderr


def _shown(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL)
