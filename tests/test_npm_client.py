"""OpenAI's npm client, unmodified: tests/js against live servers."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from testing.live import Echo, serving
from testing.pictures import plain_room, red_vase
from tests.node import install, needs_node, run


def _slow() -> Echo:
    return Echo(seconds=0.2)


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """Return a copy of tests/js with the client in it and pictures next to it."""
    needs_node()
    folder = tmp_path / "js"
    shutil.copytree(Path(__file__).parent / "js", folder, ignore=shutil.ignore_patterns("node_modules"))
    install(folder)
    plain_room().save(folder / "room.png")
    red_vase().save(folder / "product.png")
    mask = Image.new("RGBA", (160, 120), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (40, 50, 90, 110))
    mask.save(folder / "mask.png")
    return folder


def test_the_npm_client_works_unmodified(scripts: Path) -> None:
    with serving() as live, serving(api_key="s3cret") as locked, serving(_slow, queue_limit=1) as short:
        urls = {"BASE_URL": live.url, "LOCKED_URL": locked.url, "SHORT_URL": short.url}
        told = {name: url + "/v1" for name, url in urls.items()}
        run(scripts, "node", "--test", **told, PICTURES=str(scripts))
