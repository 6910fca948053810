"""Routes for clients of other systems: wrapped jobs, URLs without a bucket, OpenAI's JSON, other origins."""

import base64
from collections.abc import Iterator
from typing import Any

import httpx2
import numpy as np
import pytest
from PIL import Image

from models.preview import Preview
from testing.live import Echo, Gray, Live, painted, serving
from testing.pictures import as_base64, file_of, picture, plain_room, red_vase
from testing.shop import small_edit, small_generate

PLACED = {"placement_coordinates": [80, 100], "product_scale": 0.4, "seed": 3}
EDITS, GENERATIONS = "/v1/images/edits", "/v1/images/generations"
ROOM = "data:image/png;base64," + as_base64(file_of(plain_room()))
VASE = "data:image/png;base64," + as_base64(file_of(red_vase()))


@pytest.fixture(scope="module")
def preview() -> Iterator[Live]:
    with serving(Preview) as live:
        yield live


@pytest.fixture(scope="module")
def gray() -> Iterator[Live]:
    with serving(Gray) as live:
        yield live


class TestJobs:
    """`POST /` returns the job's answer, with status 200 even for failures."""

    def test_a_job_in_its_wrapper_is_answered_bare(self, preview: Live) -> None:
        answer = httpx2.post(preview.url, json={"input": small_edit(**PLACED)})
        assert answer.status_code == 200
        assert answer.json()["success"] is True
        assert answer.json()["placement_info"]["coordinates"] == [80, 100]
        made = httpx2.post(preview.url, json={"input": small_generate()}).json()
        assert picture(made["processed_image"]).size == (320, 256)

    def test_an_answer_stays_inside_the_limit_of_the_platform_before_it(self) -> None:
        noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (400, 400, 3), np.uint8))
        job = small_edit(room_image=as_base64(file_of(noise)), placement_coordinates=[200, 390])
        with serving(Preview, max_response_mb=0.4) as live, serving(Preview) as free:
            limited, whole = (httpx2.post(f"{server.url}/v1/edit", json=job) for server in (live, free))
        assert limited.json()["mime_type"] == "image/jpeg"
        assert len(limited.content) <= 400_000 < len(whole.content)

    def test_health_check_does_not_join_the_queue(self, preview: Live) -> None:
        answer = httpx2.post(preview.url, json={"input": {"action": "health_check"}})
        assert (answer.status_code, answer.json()["status"]) == (200, "healthy")

    @pytest.mark.parametrize(
        ("job", "sentence"),
        [
            ({"action": "edit", "room_image": "x"}, "Edit processing failed: Missing product_image"),
            ({"action": "generate"}, "Generate processing failed: Missing product_image"),
            ({"action": "paint_it"}, "Invalid action: paint_it. Supported actions: edit, generate, health_check"),
            (small_edit(product_image="no picture"), "Edit processing failed: Invalid product_image: Failed to decode"),
        ],
    )
    def test_failures_stand_in_the_body(self, preview: Live, job: dict[str, str], sentence: str) -> None:
        answer = httpx2.post(preview.url, json={"input": job})
        assert answer.status_code == 200
        assert answer.json()["success"] is False
        assert answer.json()["error"].startswith(sentence)
        assert answer.json()["message"] == answer.json()["error"]

    def test_a_missing_key_keeps_its_status(self) -> None:
        with serving(Preview, api_key="k") as live:
            answer = httpx2.post(live.url, json={"input": {"action": "health_check"}})
        assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHORIZED")

    def test_the_routes_of_one_action_take_the_wrapper_too(self, preview: Live) -> None:
        bare = httpx2.post(preview.url + "/v1/edit", json=small_edit(**PLACED)).json()
        wrapped = httpx2.post(preview.url + "/v1/edit", json={"input": small_edit(**PLACED), "webhook": None}).json()
        assert wrapped["processed_image"] == bare["processed_image"]


class TestUrls:
    def test_without_a_bucket_the_server_serves_the_pictures_itself(self, gray: Live) -> None:
        body = {"prompt": "x", "size": "256x256", "response_format": "url", "n": 2}
        data = httpx2.post(gray.url + GENERATIONS, json=body).json()["data"]
        for entry in data:
            assert entry["url"].startswith(gray.url + "/v1/pictures/")
            assert "b64_json" not in entry
            file = httpx2.get(entry["url"])
            assert (file.headers["content-type"], file.content[1:4]) == ("image/png", b"PNG")
        assert len({entry["url"] for entry in data}) == 2

    @pytest.mark.parametrize(("model", "key"), [("dall-e-2", "url"), ("dall-e-3", "url"), ("gpt-image-1", "b64_json")])
    def test_the_default_is_that_of_the_model_that_was_named(self, gray: Live, model: str, key: str) -> None:
        body = {"prompt": "x", "size": "256x256", "model": model}
        assert key in httpx2.post(gray.url + GENERATIONS, json=body).json()["data"][0]

    def test_jobs_get_urls_too_and_they_need_no_key(self) -> None:
        with serving(Preview, api_key="k", public_url="https://shop.example/images/") as live:
            job, headers = small_edit(**PLACED, response_format="url"), {"Authorization": "Bearer k"}
            url = httpx2.post(live.url + "/v1/edit", json=job, headers=headers).json()["processed_image"]
            assert url.startswith("https://shop.example/images/v1/pictures/")
            assert httpx2.get(url.replace("https://shop.example/images", live.url)).status_code == 200
            assert httpx2.get(live.url + "/v1/pictures/guess").status_code == 404

    def test_they_end_with_their_time_or_when_memory_is_full(self) -> None:
        body = {"prompt": "x", "size": "256x256", "response_format": "url", "output_format": "png"}
        with serving(Gray, url_mb=0.003) as live:
            urls = [httpx2.post(live.url + GENERATIONS, json=body).json()["data"][0]["url"] for _ in range(9)]
            assert (httpx2.get(urls[0]).status_code, httpx2.get(urls[-1]).status_code) == (404, 200)
        with serving(Gray, url_mb=0.0001) as live:
            answer = httpx2.post(live.url + GENERATIONS, json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "UPLOAD_FAILED")


class TestOpenAIsJson:
    def test_pictures_as_image_url_are_one_edit_that_sees_all(self) -> None:
        echo = Echo()
        with serving(lambda: echo) as live:
            body = {"prompt": "x", "images": [{"image_url": ROOM}, {"image_url": VASE}], "seed": 1}
            answer = httpx2.post(live.url + EDITS, json=body).json()
            batch = httpx2.post(live.url + EDITS, json=body | {"images": [ROOM, VASE]}).json()
        assert [len(task.references) for task in echo.tasks] == [2, 1, 1]
        assert (len(answer["data"]), answer["usage"]["input_images"], len(batch["data"])) == (1, 2, 2)

    def test_a_mask_as_image_url_is_obeyed(self, preview: Live) -> None:
        mask = Image.new("RGBA", (160, 120), (0, 0, 0, 255))
        mask.paste((0, 0, 0, 0), (40, 20, 120, 118))
        text = "data:image/png;base64," + base64.b64encode(file_of(mask)).decode()
        body = {"prompt": "x", **PLACED, "images": [{"image_url": ROOM}, {"image_url": VASE}]}
        as_object = httpx2.post(preview.url + EDITS, json=body | {"mask": {"image_url": text}})
        as_text = httpx2.post(preview.url + EDITS, json=body | {"mask": text})
        assert as_object.status_code == 200, as_object.text
        assert as_object.json()["data"][0]["b64_json"] == as_text.json()["data"][0]["b64_json"]

    @pytest.mark.parametrize("field", ["images", "image", "mask"])
    def test_a_file_id_is_refused_by_name(self, preview: Live, field: str) -> None:
        body = {"prompt": "x", "image": [ROOM, VASE], field: {"file_id": "file-1"}}
        if field == "images":
            body = {"prompt": "x", "images": [{"file_id": "file-1"}, {"image_url": VASE}]}
        answer = httpx2.post(preview.url + EDITS, json=body)
        assert answer.status_code == 400
        assert "file_id" in answer.json()["error"]["message"]


class TestLeniency:
    def test_two_pictures_and_words_are_a_placement_where_the_engine_cannot_edit_by_words(self, preview: Live) -> None:
        answer = httpx2.post(preview.url + EDITS, json={"prompt": "on the left", "image": [ROOM, VASE]}).json()
        assert painted(answer["data"][0]["b64_json"]).size == (160, 120)
        assert answer["placement_info"]["box"]
        assert any("cannot edit by prompt alone" in warning for warning in answer["warnings"])

    def test_more_pictures_are_several_products(self, preview: Live) -> None:
        answer = httpx2.post(preview.url + EDITS, json={"prompt": "x", "image": [ROOM, VASE, VASE]}).json()
        assert any("image[1] to image[2] were placed" in warning for warning in answer["warnings"])
        assert (len(answer["data"]), len(answer["placements"])) == (1, 2)

    def test_more_pictures_and_a_field_of_the_photo_are_several_products_on_every_engine(self) -> None:
        body = {"prompt": "x", "image": [ROOM, VASE, VASE], "camera_height_cm": 150}
        with serving(Echo) as live:
            answer = httpx2.post(live.url + EDITS, json=body).json()
        assert [each["surface"] for each in answer["placements"]] == ["floor", "floor"]
        assert not any("cannot edit by prompt alone" in warning for warning in answer["warnings"])

    @pytest.mark.parametrize("field", [{"placement_coordinates": [80, 100]}, {"product_height_cm": 40}])
    def test_a_field_of_one_product_does_not_describe_several(self, preview: Live, field: dict[str, Any]) -> None:
        answer = httpx2.post(preview.url + EDITS, json={"prompt": "x", "image": [ROOM, VASE, VASE], **field})
        error, [name] = answer.json()["error"], field
        assert (answer.status_code, error["code"], error["param"]) == (400, "INVALID_INPUT", name)
        assert "describes one product, but there are 2: send products to /v1/edit" in error["message"]

    def test_more_pictures_than_a_room_and_six_products_are_refused_in_words(self, preview: Live) -> None:
        body = {"prompt": "x", "image": [ROOM] + 7 * [VASE]}
        error = httpx2.post(preview.url + EDITS, json=body).json()["error"]
        assert (error["code"], error["param"]) == ("NOT_SUPPORTED", "image")
        assert "it places up to 6 products into the first picture" in error["message"]
        error = httpx2.post(preview.url + EDITS, json=body | {"harmonize": 0}).json()["error"]
        assert (error["code"], error["param"]) == ("INVALID_INPUT", "harmonize")

    def test_a_product_among_several_is_named_as_this_api_names_its_picture(self, preview: Live) -> None:
        empty = "data:image/png;base64," + as_base64(file_of(Image.new("RGBA", (40, 40), (0, 0, 0, 0))))
        answer = httpx2.post(preview.url + EDITS, json={"prompt": "x", "image": [ROOM, VASE, empty]}).json()
        assert answer["error"]["param"] == "image[2]"
        assert answer["error"]["message"].startswith("Invalid image[2]: it shows no product")

    def test_one_picture_and_words_stay_not_supported_there(self, preview: Live) -> None:
        answer = httpx2.post(preview.url + EDITS, json={"prompt": "make it night", "image": ROOM})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "NOT_SUPPORTED")

    def test_fields_without_effect_are_warnings(self, gray: Live) -> None:
        fields = {"background": "transparent", "sampler": "euler", "style": "vivid"}
        answer = httpx2.post(gray.url + GENERATIONS, json={"prompt": "x", "size": "256x256", **fields}).json()
        text = " ".join(answer["warnings"])
        assert all(name in text for name in fields)

    def test_prompts_may_have_32_000_characters(self, gray: Live) -> None:
        body = {"prompt": "a, " * 10_666, "size": "256x256"}
        assert httpx2.post(gray.url + GENERATIONS, json=body).status_code == 200
        refused = httpx2.post(gray.url + GENERATIONS, json=body | {"prompt": "a" * 32_001})
        assert refused.json()["error"]["param"] == "prompt"

    def test_other_names_for_steps_and_guidance_are_read(self, gray: Live) -> None:
        body = {"prompt": "x", "size": "256x256", "cfg": 3.0}
        assert httpx2.post(gray.url + GENERATIONS, json=body).json()["true_cfg_scale"] == 3.0

    def test_null_is_an_absent_field_of_a_job(self, preview: Live) -> None:
        job = small_edit(**PLACED)
        nulls = {"instructions": None, "quality": None, "placement_box": None, "mask": None}
        plain = httpx2.post(preview.url + "/v1/edit", json=job).json()
        assert (
            httpx2.post(preview.url + "/v1/edit", json=job | nulls).json()["processed_image"]
            == (plain["processed_image"])
        )


ORIGIN = {"Origin": "https://shop.example.com", "Sec-Fetch-Site": "cross-site"}


class TestBrowsers:
    def test_pages_of_allowed_origins_may_call(self) -> None:
        with serving(Preview, api_key="k", cors_origins="https://shop.example.com, https://b.example") as live:
            asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
            preflight = httpx2.options(live.url + "/v1/edit", headers=ORIGIN | asked)
            headers = ORIGIN | {"Authorization": "Bearer k"}
            answer = httpx2.post(live.url, json={"input": {"action": "health_check"}}, headers=headers)
            refused = httpx2.post(live.url, json={}, headers=ORIGIN)
            other = headers | {"Origin": "https://evil.example"}
            assert httpx2.post(live.url, json={}, headers=other).json()["error"].startswith("Pages of other sites")
        assert preflight.status_code == 200
        for each in (preflight, answer, refused):
            assert each.headers["access-control-allow-origin"] == "https://shop.example.com"
        assert (answer.status_code, refused.status_code) == (200, 401)

    def test_a_star_allows_all(self) -> None:
        with serving(Preview, cors_origins="*") as live:
            answer = httpx2.post(live.url, json={"input": {"action": "health_check"}}, headers=ORIGIN)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")

    def test_by_default_no_other_origin_may_call(self, preview: Live) -> None:
        answer = httpx2.post(preview.url, json={}, headers=ORIGIN)
        assert (answer.status_code, answer.headers.get("access-control-allow-origin")) == (400, None)

    def test_a_keyless_server_on_this_machine_answers_to_local_names_alone(self) -> None:
        """A page can point its own host name at 127.0.0.1."""
        with serving(Preview, host="127.0.0.1") as live:
            codes = {
                host: httpx2.get(live.url + "/v1/models", headers={"Host": host}).status_code
                for host in (
                    "localhost",
                    "localhost:8000",
                    "127.0.0.1:1",
                    "[::1]:8000",
                    "evil.example",
                    "evil.example:80",
                )
            }
        assert list(codes.values()) == [200] * 4 + [400] * 2

    @pytest.mark.parametrize("settings", [{"host": "127.0.0.1", "api_key": "k"}, {"host": "0.0.0.0"}])
    def test_others_answer_to_any_name(self, settings: dict[str, str]) -> None:
        with serving(Preview, **settings) as live:
            assert httpx2.get(live.url + "/health", headers={"Host": "shop.example"}).status_code == 200

    def test_allowed_hosts_narrow_it(self) -> None:
        with serving(Preview, allowed_hosts="shop.example, localhost") as live:
            codes = [
                httpx2.get(live.url + "/health", headers={"Host": host}).status_code for host in ("shop.example:1", "x")
            ]
        assert codes == [200, 400]
