"""Messages of the server at its start."""

import tempfile

import httpx2
import numpy as np
import pytest
from PIL import Image

import server
from schemas.settings import Settings
from testing.live import Gray, serving
from testing.pictures import file_of

NO_KEY = "API_KEY is not set: anyone who can reach 0.0.0.0 port 8000 can send jobs"


def no_folder() -> str:
    raise FileNotFoundError(2, "No usable temporary directory found")


@pytest.mark.parametrize(
    ("settings", "is_said"),
    [
        ({"host": "0.0.0.0"}, True),
        ({"host": "0.0.0.0", "api_key": ' "" '}, True),
        ({"host": "0.0.0.0", "api_key": "s3cret"}, False),
        ({"host": "127.0.0.1"}, False),
        ({"host": "localhost"}, False),
        ({"host": "::1"}, False),
    ],
)
def test_a_server_without_a_key_that_others_can_reach_says_so_once(
    settings: dict[str, str], is_said: bool, caplog: pytest.LogCaptureFixture
) -> None:
    server._warn(Settings(_env_file=None, **settings))
    assert caplog.messages.count(NO_KEY) == is_said


def test_a_misspelt_setting_is_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("APIKEY", "s3cret")
    server._warn(Settings(_env_file=None))
    assert "APIKEY is not a setting; did you mean API_KEY?" in caplog.messages
    assert "s3cret" not in caplog.text


def test_a_machine_without_a_temporary_folder_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", no_folder)
    server._warn(Settings(_env_file=None))
    assert "No temporary folder is writable; set TMPDIR to one that is" in caplog.messages


def test_uploads_need_no_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (900, 900, 3), np.uint8)
    large = file_of(Image.fromarray(noise))  # above the size from which the library writes to a file
    monkeypatch.setattr(tempfile, "gettempdir", no_folder)
    with serving(Gray) as live:
        answer = httpx2.post(
            live.url + "/v1/images/edits", data={"prompt": "warmer", "size": "256x256"}, files={"image": large}
        )
    assert answer.status_code == 200, answer.text
