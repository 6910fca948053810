"""The HTTP server: the official client, unmodified, and the requests of clients that come from other systems."""

import asyncio
import functools
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx2
import numpy as np
import openai
import pytest
from openai.types import ImagesResponse
from PIL import Image

from models.preview import Preview
from testing.fakes import Failing, Slow, never
from testing.live import Echo, Live, mean_color, painted, serving
from testing.patience import PATIENCE, WAIT_SECONDS
from testing.pictures import as_base64, file_of, plain_room, red_vase
from testing.shop import answer, door, failure, small_edit, small_generate
from web.limits import uploads

RED = file_of(Image.new("RGB", (320, 256), (200, 10, 10)))
BLUE = file_of(Image.new("RGB", (300, 260), (10, 10, 200)))
SMALL = {"width": 320, "height": 256}


def until_the_end(line: socket.socket) -> bytes:
    """Return what comes until the connection ends; it is reset if the server has not read all that was sent to it."""
    told = b""
    with suppress(ConnectionError):
        while piece := line.recv(4096):
            told += piece
    return told


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def client(live: Live) -> Iterator[openai.OpenAI]:
    with live.client() as client:
        yield client


@pytest.fixture(scope="module")
def locked() -> Iterator[Live]:
    with serving(api_key="s3cret-ü") as server:
        yield server


class TestGenerations:
    def test_words_become_a_picture_of_the_default_size(self, client: openai.OpenAI) -> None:
        made = client.images.generate(prompt="10,20,30", extra_body={"seed": 7})
        assert painted(made.data[0].b64_json).size == (1664, 928)
        assert mean_color(made.data[0].b64_json) == (10, 20, 7)
        assert made.usage.total_tokens == 0
        assert made.size == "1664x928"
        assert made.quality == "low"
        assert made.model == "echo"

    def test_variants_count_the_seed_up(self, client: openai.OpenAI) -> None:
        made = client.images.generate(prompt="1,2,3", n=3, size="256x256", extra_body={"seed": 5})
        assert [mean_color(each.b64_json)[2] for each in made.data] == [5, 6, 7]
        assert [each.seed for each in made.data] == [5, 6, 7]
        assert made.usage.generated_images == 3

    def test_width_and_height_win_over_size(self, client: openai.OpenAI) -> None:
        made = client.images.generate(prompt="1,2,3", size="1024x1024", extra_body=SMALL)
        assert painted(made.data[0].b64_json).size == (320, 256)

    def test_the_asked_format_comes_and_png_without_one(self, client: openai.OpenAI) -> None:
        for asked, name in ((None, "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")):
            made = client.images.generate(prompt="1,2,3", output_format=asked, extra_body=SMALL)
            assert painted(made.data[0].b64_json).format == name
            assert made.output_format == name.lower()

    def test_a_whole_number_may_have_a_fraction_of_zero(self, client: openai.OpenAI) -> None:
        made = client.images.generate(prompt="1,2,3", extra_body={"width": 320.0, "height": 256.0, "seed": 7.0})
        assert painted(made.data[0].b64_json).size == (320, 256)
        with pytest.raises(openai.BadRequestError, match="valid integer"):
            client.images.generate(prompt="1,2,3", extra_body={"seed": 7.5})

    def test_null_is_as_good_as_nothing(self, client: openai.OpenAI) -> None:
        made = client.images.generate(prompt="1,2,3", n=None, quality=None, background=None, extra_body=SMALL)
        assert len(made.data) == 1

    def test_what_has_no_effect_is_named(self, client: openai.OpenAI) -> None:
        made = client.images.generate(prompt="1,2,3", user="u", style="vivid", extra_body=SMALL | {"guidance_scale": 3})
        assert [warning.split()[0] for warning in made.warnings] == ["guidance_scale", "style", "user"]

    @pytest.mark.parametrize(
        ("asked", "quality"),
        [("low", "fast"), ("medium", "balanced"), ("high", "best"), ("hd", "best"), ("best", "best")],
    )
    def test_their_qualities_are_our_schedules(self, asked: str, quality: str) -> None:
        echo = Echo()
        with serving(lambda: echo) as live, live.client() as client:
            client.images.generate(prompt="1,2,3", quality=asked, extra_body=SMALL)
        assert echo.tasks[0].sampling.quality == quality

    def test_the_preview_draws_and_says_that_it_did(self) -> None:
        with serving(Preview) as live, live.client() as client:
            made = client.images.generate(prompt="a bedroom", extra_body=SMALL)
        assert made.model == "preview"
        assert painted(made.data[0].b64_json).size == (320, 256)


class TestEdits:
    def test_one_picture_keeps_its_size(self, client: openai.OpenAI) -> None:
        made = client.images.edit(image=("red.png", RED), prompt="turn it", extra_body={"seed": 1})
        assert painted(made.data[0].b64_json).size == (320, 256)
        assert mean_color(made.data[0].b64_json) == (55, 245, 1)
        assert made.usage.input_images == 1

    def test_the_asked_size_comes(self, client: openai.OpenAI) -> None:
        made = client.images.edit(image=("red.png", RED), prompt="turn it", size="512x512")
        assert painted(made.data[0].b64_json).size == (512, 512)

    def test_several_pictures_are_one_edit_that_sees_them_all(self) -> None:
        echo = Echo()
        with serving(lambda: echo) as live, live.client() as client:
            made = client.images.edit(image=[("a.png", RED), ("b.png", BLUE)], prompt="join them", n=2)
        assert len(made.data) == 2
        assert made.usage.input_images == 2
        assert [[each.size for each in task.references] for task in echo.tasks] == [[(320, 256), (300, 260)]] * 2

    def test_nothing_changes_outside_the_mask(self, client: openai.OpenAI) -> None:
        mask = Image.new("RGBA", (160, 120), (0, 0, 0, 255))
        mask.paste((0, 0, 0, 0), (40, 50, 90, 110))
        room = plain_room()
        made = client.images.edit(
            image=("room.png", file_of(room)), mask=("mask.png", file_of(mask)), prompt="a rug", size="1024x1024"
        )
        changed = (np.asarray(painted(made.data[0].b64_json)) != np.asarray(room)).any(axis=2)
        assert changed[50:110, 40:90].all()
        changed[50:110, 40:90] = False
        assert not changed.any()
        assert made.warnings == [
            "size has no effect: an answer with a placement or a mask has the size of the first picture"
        ]

    @pytest.mark.parametrize(
        "placing",
        [
            {"placement_coordinates": [80, 100], "product_scale": 0.3},
            {"placement_coordinates": "[80, 100]", "product_scale": "0.3", "preserve_background": "true"},
        ],
    )
    def test_placement_fields_make_it_the_edit_action(self, client: openai.OpenAI, placing: dict[str, object]) -> None:
        room, product = file_of(plain_room()), file_of(red_vase())
        made = client.images.edit(image=[("r.png", room), ("p.png", product)], prompt="a vase", extra_body=placing)
        assert made.placement_info["coordinates"] == [80, 100]
        assert painted(made.data[0].b64_json).size == (160, 120)

    def test_a_mask_and_two_pictures_too(self, client: openai.OpenAI) -> None:
        room, product = file_of(plain_room()), file_of(red_vase())
        mask = file_of(Image.new("L", (160, 120), 255))
        made = client.images.edit(image=[("r.png", room), ("p.png", product)], mask=("m.png", mask), prompt="a vase")
        assert made.placement_info["engine"] == "echo"

    def test_placing_without_a_product_is_refused(self, client: openai.OpenAI) -> None:
        with pytest.raises(openai.BadRequestError) as refused:
            client.images.edit(image=("r.png", RED), prompt="a vase", extra_body={"product_scale": 0.3})
        assert refused.value.param == "product_scale"

    def test_a_prompt_that_looks_like_a_list_is_a_prompt(self) -> None:
        echo = Echo()
        with serving(lambda: echo) as live, live.client() as client:
            client.images.edit(image=("red.png", RED), prompt='["turn it"]')
        assert echo.tasks[0].prompt == '["turn it"]'

    def test_json_with_base64_pictures_is_an_edit(self, client: openai.OpenAI) -> None:
        for image in (as_base64(RED), [as_base64(RED)], "data:image/png;base64," + as_base64(RED)):
            made = client.post("/images/edits", body={"image": image, "prompt": "turn", "seed": 3}, cast_to=object)
            assert mean_color(made["data"][0]["b64_json"]) == (55, 245, 3)


class TestErrors:
    def test_a_wrong_value_is_a_bad_request_that_names_the_field(self, client: openai.OpenAI) -> None:
        with pytest.raises(openai.BadRequestError) as refused:
            client.images.generate(prompt="1,2,3", n=11)
        assert refused.value.param == "n"
        assert refused.value.code == "INVALID_INPUT"
        assert refused.value.type == "invalid_request_error"

    def test_an_unknown_field_is_ignored_and_named(self, client: openai.OpenAI) -> None:
        made = client.images.generate(prompt="1,2,3", extra_body=SMALL | {"sede": 1})
        assert made.warnings == ["sede is not a field of this route and was ignored"]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("output_type", "pt"),
            ("mask", "!"),
            ("size", "9x9"),
        ],
    )
    def test_what_cannot_be_served_is_refused_and_named(self, client: openai.OpenAI, field: str, value: str) -> None:
        with pytest.raises(openai.BadRequestError) as refused:
            client.images.edit(image=("r.png", RED), prompt="turn", extra_body={field: value})
        assert refused.value.param == field

    @pytest.mark.parametrize(
        ("size", "reason"), [("huge", "it must be WIDTHxHEIGHT or auto"), ("9x9", "it must have sides of 256 to 4096")]
    )
    def test_a_size_that_is_none_is_explained(self, client: openai.OpenAI, size: str, reason: str) -> None:
        with pytest.raises(openai.BadRequestError, match=f"Invalid size: {reason}"):
            client.images.generate(prompt="1,2,3", size=size)  # type: ignore[call-overload]

    def test_a_picture_to_place_is_named_as_this_api_names_it(self, live: Live) -> None:
        body = {"prompt": "x", "image": ["bm8=", "bm8="], "product_height_cm": 90}
        error = httpx2.post(live.url + "/v1/images/edits", json=body).json()["error"]
        assert error["param"] == "image[0]"
        assert error["message"].startswith("Invalid image[0]: Failed to decode")

    def test_width_and_height_that_are_too_much_are_named(self, live: Live) -> None:
        body = {"prompt": "1,2,3", "size": "320x256", "width": 4096, "height": 4096}
        error = httpx2.post(live.url + "/v1/images/generations", json=body).json()["error"]
        assert error["param"] == "width"
        assert error["message"].startswith("Invalid width and height: 4096x4096 exceeds the limit")

    def test_a_bug_is_an_error_with_the_requests_id(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with serving() as server:
            monkeypatch.setattr("web.desk.read_json", lambda _: 1 / 0)
            answer = httpx2.post(server.url + "/v1/edit", json={}, headers={"X-Request-ID": "mine"})
        assert (answer.status_code, answer.headers["X-Request-ID"]) == (500, "mine")
        assert answer.json()["error_code"] == "INTERNAL_ERROR"
        assert "division" not in answer.text

    def test_what_is_no_picture_is_refused(self, client: openai.OpenAI) -> None:
        with pytest.raises(openai.BadRequestError, match="Failed to decode image"):
            client.images.edit(image=("r.png", b"no picture"), prompt="turn")

    def test_a_product_that_shows_nothing_is_told_in_the_words_of_this_api(self, client: openai.OpenAI) -> None:
        empty = ("p.png", file_of(Image.new("RGBA", (40, 40), (0, 0, 0, 0))))
        with pytest.raises(openai.BadRequestError, match=r"Invalid image\[1\]: it shows no product") as refused:
            client.images.edit(image=[("r.png", RED), empty], prompt="x", extra_body={"product_scale": 0.4})
        assert refused.value.param == "image[1]"

    def test_of_many_pictures_the_one_at_fault_is_named(self, live: Live) -> None:
        for field in ("image", "images"):
            body = {"prompt": "x", field: [as_base64(RED), "bm8="]}
            assert httpx2.post(live.url + "/v1/images/edits", json=body).json()["error"]["param"] == f"{field}[1]"

    def test_the_routes_of_jobs_refuse_as_jobs_do(self) -> None:
        with serving(api_key="k") as live:
            answer = httpx2.post(live.url + "/v1/edit", json={})
            assert (answer.status_code, answer.json()) == (
                401,
                {
                    "success": False,
                    "error": "Edit processing failed: Missing or wrong API key [UNAUTHORIZED]",
                    "message": "Edit processing failed: Missing or wrong API key [UNAUTHORIZED]",
                    "error_code": "UNAUTHORIZED",
                },
            )
            answer = httpx2.get(live.url + "/v1/generate", headers={"Authorization": "Bearer k"})
            assert (answer.status_code, answer.json()["error_code"]) == (405, "INVALID_INPUT")

    @pytest.mark.parametrize("told", [b"turn", "dreh das Bild \U0001f504".encode()])
    def test_words_may_come_as_a_file(self, told: bytes) -> None:
        echo = Echo()
        with serving(lambda: echo) as live:
            files = [("image", ("r.png", RED)), ("prompt", ("prompt.txt", told))]
            assert httpx2.post(live.url + "/v1/images/edits", files=files).status_code == 200
            assert echo.tasks[0].prompt == told.decode()

    def test_a_file_in_the_place_of_words_is_named(self, live: Live) -> None:
        files = [("image", ("r.png", RED)), ("prompt", ("prompt.png", RED))]
        error = httpx2.post(live.url + "/v1/images/edits", files=files).json()["error"]
        assert (error["param"], error["message"]) == ("prompt", "Invalid prompt: it is not text")

    def test_a_file_for_a_field_that_there_is_not_is_ignored_and_named(self, live: Live) -> None:
        files = [("image", ("r.png", RED)), ("product_image", ("p.png", RED))]
        answer = httpx2.post(live.url + "/v1/images/edits", data={"prompt": "x"}, files=files).json()
        assert answer["warnings"] == ["product_image is not a field of this route and was ignored"]

    def test_each_picture_of_a_batch_says_its_own_size(self, live: Live) -> None:
        sizes = [(320, 256), (400, 300)]
        pictures = [as_base64(file_of(Image.new("RGB", size, (9, 9, 9)))) for size in sizes]
        answer = httpx2.post(live.url + "/v1/images/edits", json={"prompt": "x", "images": pictures}).json()
        assert [each["size"] for each in answer["data"]] == ["320x256", "400x300"]
        body = {"prompt": "x", "images": pictures, "stream": True, "output_format": "png"}
        events = httpx2.post(live.url + "/v1/images/edits", json=body).text
        told = [json.loads(line[6:]) for line in events.splitlines() if line.startswith("data: ")]
        assert [(each["size"], each["output_format"]) for each in told] == [("320x256", "png"), ("400x300", "png")]

    def test_a_canvas_that_is_see_through_is_said_to_be_put_on_white(self, live: Live) -> None:
        canvas = as_base64(file_of(Image.new("RGBA", (320, 256), (9, 9, 9, 100))))
        answer = httpx2.post(live.url + "/v1/images/edits", json={"prompt": "x", "image": canvas}).json()
        assert answer["warnings"] == ["Transparent parts of image were filled with white"]

    def test_a_preview_says_that_it_has_no_unfinished_pictures(self) -> None:
        room, product = (as_base64(file_of(image)) for image in (plain_room(), red_vase()))
        body = {"prompt": "x", "image": [room, product], "product_scale": 0.4, "stream": True, "partial_images": 2}
        with serving(Preview) as live:
            assert "partial_images has no effect" in httpx2.post(live.url + "/v1/images/edits", json=body).text

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({}, 200),
            ({"Origin": "{url}"}, 200),
            ({"Origin": "http://Shop.lan", "Host": "shop.lan:80"}, 200),
            ({"Origin": "http://shop.lan", "X-Forwarded-Host": "shop.lan"}, 200),
            ({"Origin": "http://shop.lan:81", "Host": "shop.lan"}, 400),
            ({"Origin": "http://shop.lan:port", "Host": "shop.lan"}, 400),
            ({"Origin": "https://proxied.example", "Sec-Fetch-Site": "same-origin"}, 200),
            ({"Origin": "https://evil.example"}, 400),
            ({"Origin": "null"}, 400),
            ({"Sec-Fetch-Site": "cross-site"}, 400),
        ],
    )
    def test_pages_of_other_sites_send_no_jobs(self, live: Live, headers: dict[str, str], status: int) -> None:
        headers = {name: value.format(url=live.url) for name, value in headers.items()}
        answer = httpx2.post(live.url + "/v1/generate", json=small_generate(), headers=headers)
        assert answer.status_code == status

    def test_a_blank_negative_prompt_is_none(self) -> None:
        room, product = (as_base64(file_of(image)) for image in (plain_room(), red_vase()))
        body = {"prompt": " ", "image": [room, product], "negative_prompt": " ", "placement_coordinates": [80, 100]}
        with serving(Preview) as live:
            assert "warnings" not in httpx2.post(live.url + "/v1/images/edits", json=body).json()

    def test_a_preview_does_not_pretend_to_edit_by_words(self) -> None:
        with serving(Preview) as live, live.client() as client, pytest.raises(openai.BadRequestError) as refused:
            client.images.edit(image=("r.png", RED), prompt="turn")
        assert refused.value.code == "NOT_SUPPORTED"

    def test_a_failed_engine_is_an_error_that_is_not_to_be_retried(self) -> None:
        failing = Failing(lambda: RuntimeError("secret"))
        with (
            serving(lambda: failing) as live,
            live.client(max_retries=2) as client,
            pytest.raises(openai.InternalServerError) as failed,
        ):
            client.images.generate(prompt="1,2,3")
        assert failed.value.code == "GENERATION_ERROR"
        assert failed.value.response.headers["x-should-retry"] == "false"
        assert failed.value.response.json()["detail"]["error"] == "GENERATION_ERROR"
        assert "secret" not in failed.value.response.text

    def test_who_waits_for_the_model_in_a_line_waits_no_longer_than_the_first(self) -> None:
        """Eight callers that waited one after the other would take eight times as long as one."""
        calls, seconds = 8, 2 * PATIENCE
        with serving(never, ready_wait_seconds=seconds) as live, ThreadPoolExecutor(calls) as callers:
            started = time.monotonic()
            asked = functools.partial(httpx2.post, live.url + "/v1/images/generations", json={"prompt": "1,2,3"})
            answers = [callers.submit(asked) for _ in range(calls)]
            assert {answer.result().status_code for answer in answers} == {503}
        assert time.monotonic() - started < calls * seconds

    def test_a_model_that_is_not_ready_says_when_to_come_back(self) -> None:
        with serving(never, ready_wait_seconds=0.1) as live, live.client() as client:
            with pytest.raises(openai.InternalServerError) as failed:
                client.images.generate(prompt="1,2,3")
            assert (failed.value.status_code, failed.value.code) == (503, "MODEL_NOT_READY")
            assert failed.value.response.headers["retry-after"]
            assert get(live, "/ping").status_code == 204
            assert get(live, "/health").json().keys() == {"status", "timestamp", "version"}
            loading = get(live, "/ready")
        assert loading.status_code == 503
        assert loading.json()["model_loaded"] is False
        assert loading.json()["detail"]["error"] == "MODEL_NOT_READY"

    def test_a_job_over_its_time_ends(self) -> None:
        with (
            serving(lambda: Echo(go=threading.Semaphore(0)), job_timeout_seconds=0.2) as live,
            live.client() as client,
            pytest.raises(openai.InternalServerError) as failed,
        ):
            client.images.generate(prompt="1,2,3", extra_body=SMALL)
        assert failed.value.code == "TIMEOUT"

    def test_a_request_over_the_limit_is_refused_while_it_is_read(self) -> None:
        with serving(max_request_mb=0.1) as live, live.client() as client:
            with pytest.raises(openai.APIStatusError) as refused:
                client.images.edit(image=("r.png", b"x" * 150_000), prompt="turn")
            assert refused.value.status_code == 413
            chunks = (b" " * 10_000 for _ in range(15))
            assert httpx2.post(live.url + "/v1/edit", content=chunks).status_code == 413

    @pytest.mark.parametrize("sent", [b"", b"{", b" " * 150_000], ids=["nothing", "a part", "too much"])
    def test_a_caller_that_vanishes_within_its_request_is_not_waited_for(
        self, sent: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(uploads, "GRACE_SECONDS", 2 * PATIENCE)  # what is sent is read before
        head = b"POST /v1/edit HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1000000\r\n\r\n"
        with (
            serving(max_request_mb=0.1) as live,
            socket.create_connection(("127.0.0.1", live.port), WAIT_SECONDS) as line,
        ):
            line.sendall(head + sent)
            told = until_the_end(line)
        assert b"The request was sent too slowly" in told

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"NaN", b"[" * 100_000, b"\xff", b'{"prompt": "\\ud800"}'])
    @pytest.mark.parametrize("route", ["images/generations", "images/edits", "edit", "generate"])
    def test_a_body_that_is_none_is_a_bad_request(self, live: Live, route: str, body: bytes) -> None:
        answer = httpx2.post(f"{live.url}/v1/{route}", content=body)
        assert answer.status_code == 400
        assert answer.json()["error"]

    def test_a_broken_form_is_a_bad_request(self, live: Live) -> None:
        for kind in ("multipart/form-data", "multipart/form-data; boundary=x"):
            answer = httpx2.post(live.url + "/v1/images/edits", content=b"--y\r\n", headers={"Content-Type": kind})
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_INPUT")

    def test_a_charset_that_is_none_is_a_bad_request(self, live: Live) -> None:
        kind = {"Content-Type": "multipart/form-data; boundary=x; charset=undefined"}
        body = b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nx\r\n--x--\r\n'
        assert httpx2.post(live.url + "/v1/images/edits", content=body, headers=kind).status_code == 400

    @pytest.mark.parametrize(("route", "name"), [("/v1/edit", "input"), ("/v1/images/generations", "body")])
    def test_names_without_end_are_not_told_one_by_one(self, live: Live, route: str, name: str) -> None:
        refused = httpx2.post(live.url + route, json={f"field_{number}": 1 for number in range(5000)})
        assert refused.status_code == 400
        assert f"Invalid {name}: it has 500" in refused.text
        assert len(refused.text) < 1000

    @pytest.mark.parametrize("path", ["/v1/edit/", "//v1//edit", "/v1/edit//"])
    def test_a_slash_too_many_is_overlooked(self, live: Live, path: str) -> None:
        answer = httpx2.post(live.url + path, json={})
        assert (answer.status_code, answer.json()["fields"]) == (400, ["product_image", "room_image"])

    @pytest.mark.parametrize("path", ["/health", "/ready", "/ping", "/v1/models", "/docs", "/", "/openapi.json"])
    def test_head_is_answered_like_get_without_a_body(self, live: Live, path: str) -> None:
        answer, full = httpx2.head(live.url + path), httpx2.get(live.url + path)
        assert (answer.status_code, answer.content) == (full.status_code, b"")
        assert answer.headers["content-length"] == full.headers["content-length"]

    def test_a_route_that_does_not_exist_is_said_in_the_same_shape(self, live: Live) -> None:
        missing = get(live, "/images/nothing").json()["error"]
        assert missing["type"] == "invalid_request_error"
        assert "/v1/images/edits" in missing["message"]
        wrong = get(live, "/v1/edit")
        assert "accepts POST, not GET" in wrong.json()["error"]
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")


class TestKeys:
    def test_the_clients_bearer_key_opens(self) -> None:
        with serving(api_key="s3cret") as live, live.client("s3cret") as client:
            assert client.models.list().data[0].id == "echo"

    def test_basic_auth_with_any_name_opens(self, locked: Live) -> None:
        answer = httpx2.get(locked.url + "/v1/models", auth=("anybody", "s3cret-ü"))
        assert answer.status_code == 200

    @pytest.mark.parametrize("given", ["Bearer wrong", "Basic !", "Basic d3Jvbmc=", "s3cret-ü", "Bearer", ""])
    def test_nothing_else_does(self, locked: Live, given: str) -> None:
        headers = {"Authorization": given.encode()}
        for route in ("/v1/models", "/metrics", "/docs", "/openapi.json", "/nothing"):
            answer = httpx2.get(locked.url + route, headers=headers)
            assert answer.status_code == 401
            assert answer.json()["error"]["code"] == "UNAUTHORIZED"

    def test_the_client_raises_its_own_exception(self, locked: Live) -> None:
        with locked.client("wrong") as client, pytest.raises(openai.AuthenticationError):
            client.images.generate(prompt="1,2,3")

    @pytest.mark.parametrize("key", ["schlüsselà", "kÅ"])
    def test_a_key_may_end_in_any_letter(self, key: str) -> None:
        with serving(api_key=key) as server:
            given = {"Authorization": b"Bearer " + key.encode()}
            assert httpx2.get(server.url + "/v1/models", headers=given).status_code == 200

    def test_a_page_of_another_site_may_not_send_jobs_through_its_visitor(self, live: Live) -> None:
        for told, status in (
            ({"Sec-Fetch-Site": "cross-site"}, 400),
            ({"Sec-Fetch-Site": "same-origin"}, 200),
            ({}, 200),
        ):
            answer = httpx2.post(live.url + "/v1/edit", json=small_edit(), headers=told)
            assert answer.status_code == status

    def test_probes_stay_open(self, locked: Live) -> None:
        assert [get(locked, route).status_code for route in ("/health", "/ready", "/ping")] == [200] * 3


class TestJobs:
    def test_the_edit_action_answers_as_a_job_does(self, live: Live) -> None:
        answer = httpx2.post(live.url + "/v1/edit", json=small_edit(seed=4))
        assert answer.status_code == 200
        assert answer.json()["success"] is True
        assert answer.json()["placement_info"]["seed"] == 4

    def test_the_generate_action_needs_no_action(self, live: Live) -> None:
        job = {name: value for name, value in small_generate().items() if name != "action"}
        assert httpx2.post(live.url + "/v1/generate", json=job).json()["action"] == "generate"

    def test_errors_are_the_jobs_own_under_their_status(self, live: Live) -> None:
        answer = httpx2.post(live.url + "/v1/edit", json={})
        assert answer.status_code == 400
        assert answer.json()["error"].startswith("Edit processing failed: Missing")
        wrong = httpx2.post(live.url + "/v1/edit", json=small_edit(action="generate"))
        assert wrong.status_code == 400
        queued = httpx2.post(live.url + "/v1/edit", json={"openai_route": "/v1/models"})
        assert (queued.status_code, queued.json()["fields"][-1]) == (400, "openai_route")

    def test_a_wrong_one_does_not_wait_for_its_turn(self) -> None:
        engine = Slow(go=threading.Semaphore(0))
        with serving(lambda: engine, queue_limit=1) as live, ThreadPoolExecutor() as callers:
            call = callers.submit(httpx2.post, live.url + "/v1/edit", json=small_edit())
            assert engine.started.wait(WAIT_SECONDS)
            waits = callers.submit(httpx2.post, live.url + "/v1/edit", json=small_edit())
            assert httpx2.post(live.url + "/v1/edit", json={"typo": 1}).status_code == 400
            assert not call.done()
            engine.go = None
            assert {call.result().status_code, waits.result().status_code} == {200}

    def test_what_waited_for_the_model_has_its_whole_time(self) -> None:
        may_load, seconds = threading.Event(), 2 * PATIENCE

        def load() -> Echo:
            assert may_load.wait(WAIT_SECONDS)
            return Echo()

        with serving(load, job_timeout_seconds=seconds) as live, ThreadPoolExecutor(1) as callers:
            answer = callers.submit(httpx2.post, live.url + "/v1/images/generations", json={"prompt": "1,2,3"})
            time.sleep(1.1 * seconds)
            may_load.set()
            assert answer.result().status_code == 200


class TestQueue:
    """A call to an endpoint's /openai path, as RunPod passes it to the worker."""

    def test_generations_models_and_edits_are_plain_answers(self) -> None:
        worker = door(Echo)
        made = answer(worker, {"openai_route": "/v1/images/generations", "openai_input": {"prompt": "1,2,3", **SMALL}})
        assert ImagesResponse.model_validate(made).data
        assert answer(worker, {"openai_route": "/v1/models"})["data"][0]["id"] == "echo"
        body = {"prompt": "turn", "images": [as_base64(RED), as_base64(BLUE)], "seed": 1}
        made = answer(worker, {"openai_route": "/openai/v1/images/edits", "openai_input": body})
        assert [mean_color(each["b64_json"])[0] for each in made["data"]] == [55, 245]
        assert (made["steps"], made["true_cfg_scale"]) == (4, 1.0)
        assert answer(worker, {"openai_route": "/v1/models/any/name"})["id"] == "echo"

    def test_a_batch_of_a_local_run_is_as_many_files(self, tmp_path: Path) -> None:
        body = {"prompt": "turn", "images": [as_base64(RED), as_base64(BLUE)], "n": 2, "seed": 1}
        job = {"id": "local", "input": {"openai_route": "/v1/images/edits", "openai_input": body}}
        asyncio.run(door(Echo, output_dir=tmp_path).local(job))
        assert len(list(tmp_path.iterdir())) == 4

    @pytest.mark.parametrize(
        ("route", "body", "sentence"),
        [
            ("/v1/images/generations", {}, "Missing prompt [INVALID_INPUT]"),
            ("/v1/images/generations", {"prompt": "p", "stream": True}, "streaming is not possible through the queue"),
            ("/v1/chat/completions", {}, "Supported routes: /v1/models"),
            (None, None, "Invalid openai_route"),
        ],
    )
    def test_errors_are_sentences(self, route: object, body: object, sentence: str) -> None:
        error = failure(door(Echo), {"openai_route": route, "openai_input": body})["error"]
        assert sentence in error
        assert "Edit" not in error

    def test_what_does_not_fit_is_sent_as_jpeg(self) -> None:
        worker = door(Preview, response_limit_mb=0.3)
        body = {"prompt": "a bedroom", "size": "1024x768"}
        made = answer(worker, {"openai_route": "/v1/images/generations", "openai_input": body})
        assert made["output_format"] == "jpeg"


def get(live: Live, route: str) -> httpx2.Response:
    return httpx2.get(live.url + route)
