"""Every row of the job interface, through the SDK's own job runner."""

import asyncio
import io
import json
import re
import threading
import time
from typing import Any

import numpy as np
import pytest
from PIL import Image
from runpod.serverless.modules.rp_job import run_job

import rp_handler
from handlers.deliver import TEXT_BYTES
from handlers.runtime.memory_watch import WARM_UP_JOBS
from models.engine import Control, Painted, PaintTask, Question
from models.preview import Preview
from schemas.errors import ErrorCode, JobError
from testing.fakes import Drifting, Failing, Slow, Talking, never
from testing.patience import WAIT_SECONDS, wait_until
from testing.pictures import CHAIR, as_base64, case, file_of, picture, pixels, plain_room
from testing.profiles import display_p3
from testing.shop import answer, door, failure, run, small_edit, small_generate

ROOM = np.asarray(plain_room())


class TestEdit:
    def test_a_real_chair_stands_in_a_real_room_and_the_rest_is_untouched(self) -> None:
        truth = case(CHAIR)
        job = {
            "product_image": as_base64(CHAIR / "product_white.png"),
            "room_image": as_base64(CHAIR / "room.png"),
            "placement_coordinates": truth["foot"],
            "product_height_cm": truth["height_cm"],
        }
        out = answer(door(), job)
        room, made = np.asarray(Image.open(CHAIR / "room.png")), pixels(out["processed_image"])
        assert out["success"] is True
        assert out["action"] == "edit"
        assert out["mime_type"] == "image/png"
        assert out["lossless"] is True
        assert made.shape == room.shape
        changed = (made != room).any(axis=2)
        left, top, right, bottom = truth["box"]
        width, height = right - left, bottom - top
        near = np.zeros_like(changed)
        near[top - height // 2 : bottom + height // 2, max(0, left - width) : right + width] = True
        assert changed[near].any()
        assert not changed[~near].any()
        info = out["placement_info"]
        assert info["engine"] == "preview"
        assert info["original_size"] == [1024, 768]
        assert info["steps"] == 0
        assert info["checks"]["background_identical"] == 1.0
        assert info["changed_fraction"] == pytest.approx(changed.mean(), abs=1e-5)
        assert 0 < info["processing_time"] <= out["processing_time"]
        assert "warnings" not in out
        assert "images" not in out
        assert "fallback_used" not in info

    def test_edit_is_the_action_when_none_is_named(self) -> None:
        assert answer(door(), small_edit())["action"] == "edit"

    def test_the_product_stands_at_the_coordinates(self) -> None:
        out = answer(door(), small_edit(placement_coordinates=[60, 100], product_scale=0.3))
        left, top, right, bottom = out["placement_info"]["box"]
        assert out["placement_info"]["coordinates"] == [60, 100]
        assert abs((left + right) / 2 - 60) <= 1
        assert bottom - 1 == 100
        assert bottom - top == pytest.approx(0.3 * 120, abs=1.5)

    def test_the_product_fills_the_box_in_its_own_shape_and_wins_over_coordinates(self) -> None:
        out = answer(door(), small_edit(placement_box=[20, 40, 100, 100], placement_coordinates=[150, 110]))
        left, top, right, bottom = out["placement_info"]["box"]
        assert (top, bottom) == (40, 100)
        assert abs((left + right) / 2 - 60) <= 1
        assert (right - left) / (bottom - top) == pytest.approx(0.6 / 0.95, rel=0.06)

    def test_a_known_height_is_true_to_scale(self) -> None:
        heights = []
        for centimeters in (40, 80):
            job = small_edit(placement_coordinates=[80, 110], product_height_cm=centimeters)
            _, top, _, bottom = answer(door(), job)["placement_info"]["box"]
            heights.append(bottom - top)
        assert heights[1] / heights[0] == pytest.approx(2, rel=0.25)

    def test_a_lower_camera_makes_the_product_look_larger(self) -> None:
        heights = []
        for camera in (200, 100):
            job = small_edit(placement_coordinates=[80, 100], product_height_cm=50, camera_height_cm=camera)
            _, top, _, bottom = answer(door(), job)["placement_info"]["box"]
            heights.append(bottom - top)
        assert heights[1] > 1.5 * heights[0]

    def test_on_a_wall_the_coordinates_are_the_center(self) -> None:
        job = small_edit(placement_coordinates=[80, 40], placement_surface="wall", product_scale=0.25)
        info = answer(door(), job)["placement_info"]
        _, top, _, bottom = info["box"]
        assert info["surface"] == "wall"
        assert abs((top + bottom) / 2 - 40) <= 1

    def test_words_decide_where_no_coordinates_do(self) -> None:
        centers = {}
        for side in ("left", "right"):
            left, _, right, _ = answer(door(), small_edit(instructions=f"on the {side}"))["placement_info"]["box"]
            centers[side] = (left + right) / 2
        assert centers["left"] < 80 < centers["right"]

    @pytest.mark.parametrize("mode", ["RGBA", "L"])
    def test_nothing_changes_outside_the_mask(self, mode: str) -> None:
        mask = Image.new(mode, (160, 120), (0, 0, 0, 255) if mode == "RGBA" else 0)
        mask.paste((0, 0, 0, 0) if mode == "RGBA" else 255, (40, 50, 90, 110))
        job = small_edit(mask=as_base64(file_of(mask)), placement_coordinates=[85, 105], product_scale=0.5)
        for worker in (door(), door(lambda: Drifting())):
            changed = (pixels(answer(worker, job)["processed_image"]) != ROOM).any(axis=2)
            assert changed[50:110, 40:90].any()
            changed[50:110, 40:90] = False
            assert not changed.any()

    def test_an_alpha_that_is_opaque_everywhere_makes_no_mask(self) -> None:
        gray = Image.new("L", (160, 120), 0)
        gray.paste(255, (40, 50, 90, 110))
        same = [small_edit(mask=as_base64(file_of(gray.convert(mode))), seed=1) for mode in ("L", "RGBA")]
        assert len({answer(door(), job)["processed_image"] for job in same}) == 1

    @pytest.mark.parametrize(
        ("place", "field"),
        [
            ({"placement_box": [90, 60, 140, 110]}, "placement_box"),
            ({"placement_coordinates": [130, 110]}, "placement_coordinates"),
        ],
    )
    def test_a_place_outside_the_mask_is_refused_by_name(self, place: dict[str, Any], field: str) -> None:
        mask = Image.new("L", plain_room().size)
        mask.paste(255, (5, 5, 30, 30))
        job = small_edit(mask=as_base64(file_of(mask)), **place)
        problem = failure(door(lambda: Failing(AssertionError)), job)
        assert (problem["error_code"], problem["fields"]) == ("INVALID_INPUT", [field])

    def test_a_mask_of_a_single_line_through_the_product_is_no_place_outside_it(self) -> None:
        mask = Image.new("L", (1600, 1200))
        mask.paste(255, (800, 500, 801, 1000))
        room = plain_room(1600, 1200)
        job = small_edit(room_image=as_base64(file_of(room)), mask=as_base64(file_of(mask)), product_height_cm=200)
        assert answer(door(), job | {"placement_coordinates": [800, 1000]})["success"] is True

    def test_an_engine_that_repaints_everything_cannot_touch_the_background(self) -> None:
        out = answer(door(Drifting), small_edit(placement_coordinates=[80, 100]))
        made = pixels(out["processed_image"])
        assert (made[:20, :20] == ROOM[:20, :20]).all()
        assert out["placement_info"]["changed_fraction"] < 0.6
        free = answer(door(Drifting), small_edit(placement_coordinates=[80, 100], preserve_background=False))
        assert free["placement_info"]["changed_fraction"] > 0.9
        assert pixels(free["processed_image"]).shape == ROOM.shape

    @pytest.mark.parametrize("size", [(127, 211), (640, 97), (31, 300)])
    def test_the_answer_has_exactly_the_size_of_an_odd_room(self, size: tuple[int, int]) -> None:
        job = small_edit(room_image=as_base64(file_of(plain_room(*size))))
        assert picture(answer(door(), job)["processed_image"]).size == size

    def test_a_twelve_megapixel_phone_photo_with_no_options_gets_an_upright_answer_that_fits(self) -> None:
        room = plain_room(4032, 3024)
        grain = np.random.default_rng(0).integers(-12, 13, (3024, 4032, 3))
        noisy = Image.fromarray(np.clip(np.asarray(room).astype(int) + grain, 0, 255).astype(np.uint8))
        exif = Image.Exif()
        exif[274] = 6
        photo = file_of(noisy, "JPEG", quality=85, exif=exif)
        out = answer(door(), small_edit(room_image=as_base64(photo)))
        assert picture(out["processed_image"]).size == (3024, 4032)
        assert len(json.dumps({"output": out})) < 10_000_000
        assert out["placement_info"]["original_size"] == [3024, 4032]
        assert out["mime_type"] == "image/jpeg"
        assert out["lossless"] is False


class TestGenerate:
    def test_a_new_room_of_the_default_size(self) -> None:
        job = {"action": "generate", "product_image": as_base64(CHAIR / "product_alpha.png"), "seed": 7}
        out = answer(door(), job)
        assert out["action"] == "generate"
        assert picture(out["processed_image"]).size == (1280, 720)
        info = out["generation_info"]
        assert info["environment_type"] == "living_room"
        assert info["output_size"] == [1280, 720]
        assert info["engine"] == "preview"
        assert info["seed"] == 7
        assert {"instructions", "steps", "processing_time"} <= info.keys()
        assert "placement_info" not in out

    def test_every_type_is_another_picture_of_the_asked_size(self) -> None:
        types = ["living_room", "bedroom", "kitchen", "dining_room", "bathroom", "office", "outdoor", "studio"]
        types.append("un loft industriel avec des briques")
        texts = set()
        for environment in types:
            out = answer(door(), small_generate(environment_type=environment, seed=1))
            assert picture(out["processed_image"]).size == (320, 256)
            texts.add(out["processed_image"])
        assert len(texts) == len(types)

    def test_a_size_over_the_limit_is_refused(self) -> None:
        problem = failure(door(), small_generate(output_size=[4096, 4096]))
        assert problem["error_code"] == "INVALID_INPUT"
        assert problem["fields"] == ["output_size"]
        assert problem["error"].startswith("Generate processing failed: Invalid output_size: ")

    def test_what_the_preview_cannot_obey_is_named(self) -> None:
        fields = {
            "quality": "best",
            "num_inference_steps": 9,
            "true_cfg_scale": 3,
            "negative_prompt": "x",
            "harmonize": 0.5,
        }
        warnings = " ".join(answer(door(), small_edit(**fields))["warnings"])
        assert [field for field in fields if field not in warnings] == []

    def test_what_cannot_have_an_effect_is_named(self) -> None:
        job = small_generate(camera_height_cm=120, instructions="make it cosy", negative_prompt="people")
        warnings = " ".join(answer(door(), job)["warnings"])
        for field in ("camera_height_cm", "instructions", "negative_prompt"):
            assert field in warnings


class TestFields:
    def test_blanks_are_no_instructions_and_no_negative_prompt(self) -> None:
        blank = answer(door(), small_edit(instructions=" \n", negative_prompt=" ", placement_coordinates=[80, 100]))
        assert blank["placement_info"]["instructions"] == " \n"
        assert "warnings" not in blank

    def test_guidance_that_this_checkpoint_does_not_know_is_said_to_do_nothing(self) -> None:
        for make in (small_edit, small_generate):
            warnings = " ".join(answer(door(), make(guidance_scale=3.5))["warnings"])
            assert "guidance_scale has no effect: this checkpoint is not guidance-distilled" in warnings

    def test_a_default_that_is_sent_is_the_same_body(self) -> None:
        worker = door()
        first = answer(worker, small_edit(idempotency_key="k"))
        assert answer(worker, small_edit(idempotency_key="k", output_quality=95)) == first


class TestHealth:
    def test_it_says_how_the_worker_is(self) -> None:
        worker = door()
        answer(worker, small_edit())
        out = answer(worker, {"action": "health_check"})
        assert out["status"] == "healthy"
        assert out["service"] == "qwen-edit-generate-api"
        assert out["actions"] == ["edit", "generate", "health_check"]
        assert out["ready"] is True
        assert out["engine"] == "preview"
        assert out["device"] == "cpu"
        assert out["jobs"] == {"done": 1, "failed": 0, "fallbacks": 0, "running": 0}
        assert out["qualities"] == ["fast"]
        assert isinstance(out["gpu_available"], bool)
        assert isinstance(out["gpu_count"], int)
        assert out["uptime_seconds"] >= 0
        assert {"gpu", "plan", "version"} <= out.keys()

    def test_it_answers_while_the_model_loads(self) -> None:
        out = answer(door(never), {"action": "health_check"})
        assert (out["status"], out["ready"]) == ("loading", False)

    def test_it_says_when_the_model_could_not_be_loaded(self) -> None:
        def broken() -> Any:
            raise OSError("no such shard")

        worker = door(broken)
        wait_until(lambda: answer(worker, {"action": "health_check"})["status"] != "loading")
        assert answer(worker, {"action": "health_check"})["status"] == "unhealthy"


class TestVariantsAndSeeds:
    def test_n_variants_count_the_seed_up_and_the_first_stands_alone(self) -> None:
        out = answer(door(), small_generate(seed=2**32 - 2, n=3))
        assert [variant["seed"] for variant in out["images"]] == [2**32 - 2, 2**32 - 1, 0]
        assert out["processed_image"] == out["images"][0]["image"]
        assert out["generation_info"]["seed"] == 2**32 - 2
        assert len({variant["image"] for variant in out["images"]}) == 3
        assert all(variant["mime_type"] == "image/png" for variant in out["images"])

    def test_variants_that_are_all_alike_are_said_to_be(self) -> None:
        assert "identical" in " ".join(answer(door(), small_edit(n=2))["warnings"])

    def test_the_same_seed_gives_the_same_bytes(self) -> None:
        first, second = (answer(door(), small_generate(seed=5))["processed_image"] for _ in range(2))
        assert first == second

    @pytest.mark.parametrize("seed", [None, -1])
    def test_a_random_seed_is_reported_and_repeats_the_picture(self, seed: int | None) -> None:
        fields = {} if seed is None else {"seed": seed}
        out, other = (answer(door(), small_generate(**fields)) for _ in range(2))
        drawn = out["generation_info"]["seed"]
        assert 0 <= drawn < 2**32
        assert drawn != other["generation_info"]["seed"]
        assert answer(door(), small_generate(seed=drawn))["processed_image"] == out["processed_image"]


class TestOutput:
    @pytest.mark.parametrize(("asked", "mime_type"), [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")])
    def test_the_asked_format_comes(self, asked: str, mime_type: str) -> None:
        out = answer(door(), small_edit(output_format=asked))
        assert picture(out["processed_image"]).format == mime_type
        assert out["mime_type"] == f"image/{asked}"
        assert out["lossless"] is (asked == "png")

    def test_a_lower_quality_is_smaller(self) -> None:
        sizes = [
            len(answer(door(), small_edit(output_format="jpeg", output_quality=q))["processed_image"]) for q in (95, 20)
        ]
        assert sizes[1] < sizes[0]

    def test_a_data_url_says_its_type(self) -> None:
        text = answer(door(), small_edit(response_format="data_url", output_format="webp"))["processed_image"]
        assert text.startswith("data:image/webp;base64,")
        assert picture(text).format == "WEBP"

    def test_auto_takes_png_when_it_fits_and_the_best_lossy_one_else(self) -> None:
        grain = np.random.default_rng(0).integers(0, 255, (400, 400, 3), np.uint8)
        job = small_edit(room_image=as_base64(file_of(Image.fromarray(grain))))
        assert answer(door(), job)["mime_type"] == "image/png"
        out = answer(door(response_limit_mb=0.3), job)
        assert out["mime_type"] == "image/jpeg"
        assert len(json.dumps({"output": out})) < 300_000

    def test_of_a_batch_small_pictures_leave_their_room_to_large_ones(self) -> None:
        class Copying(Preview):
            def paint(self, task: PaintTask, control: Control) -> Painted:
                return Painted(task.references[0].pixels, 1, 1.0)

        grain = np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8)
        pictures = [as_base64(file_of(image)) for image in (plain_room(), Image.fromarray(grain))]
        job = {"openai_route": "/v1/images/edits", "openai_input": {"prompt": "x", "images": pictures}}
        for limit, formats in ((1, ["png", "png"]), (0.4, ["png", "png"]), (0.3, ["png", "jpeg"])):
            data = answer(door(Copying, response_limit_mb=limit), job)["data"]
            assert [each["output_format"] for each in data] == formats
        assert len(json.dumps(data)) > 180_000

    def test_the_asked_quality_is_the_best_that_auto_takes(self) -> None:
        grain = np.random.default_rng(0).integers(0, 255, (400, 400, 3), np.uint8)
        job = small_edit(room_image=as_base64(file_of(Image.fromarray(grain))))
        tight = door(response_limit_mb=0.5)
        sizes = [len(answer(tight, job | {"output_quality": quality})["processed_image"]) for quality in (80, 30)]
        assert sizes[1] < sizes[0] / 1.5

    @pytest.mark.parametrize("asked", [{}, {"output_format": "png"}])
    def test_a_quality_that_png_does_not_have_is_named(self, asked: dict[str, str]) -> None:
        warnings = answer(door(), small_edit(output_quality=10, **asked))["warnings"]
        assert "output_quality has no effect on PNG" in warnings

    def test_a_photo_longer_than_the_asked_format_can_be_is_refused_by_name(self) -> None:
        room = as_base64(file_of(plain_room(16_500, 48)))
        job = small_edit(room_image=room, placement_coordinates=[8000, 40], product_scale=0.5)
        problem = failure(door(), job | {"output_format": "webp"})
        assert (problem["error_code"], problem["fields"]) == ("INVALID_INPUT", ["output_format"])
        assert answer(door(), job)["mime_type"] == "image/png"

    def test_an_explicit_format_that_does_not_fit_is_refused_with_the_ways_out(self) -> None:
        grain = np.random.default_rng(0).integers(0, 255, (400, 400, 3), np.uint8)
        job = small_edit(room_image=as_base64(file_of(Image.fromarray(grain))), output_format="png")
        problem = failure(door(response_limit_mb=0.3), job)
        assert problem["error_code"] == "RESPONSE_TOO_LARGE"
        for way_out in ("output_format", "jpeg", "response_format url"):
            assert way_out in problem["error"]
        assert "error" not in run(door(response_limit_mb=0.3), job, job_id="sync-1")

    @pytest.mark.parametrize("n", [2, 3])
    def test_of_several_pictures_it_is_the_sum_that_fits_or_does_not(self, n: int) -> None:
        job = small_generate(output_format="png", n=n, seed=1)
        size = len(json.dumps(answer(door(), job), ensure_ascii=False))
        assert "error" not in run(door(response_limit_mb=(size + TEXT_BYTES) / 1e6), job)
        problem = failure(door(response_limit_mb=(size - 1) / 1e6), job)
        told = re.search(r"is ([\d.]+) MB, but the platform accepts ([\d.]+) MB", problem["error"])
        assert told is not None
        assert float(told[1]) >= round(float(told[2]), 1)

    def test_a_url_without_a_bucket_is_refused_before_any_work(self) -> None:
        problem = failure(door(lambda: Failing(AssertionError)), small_edit(response_format="url"))
        assert problem["error_code"] == "UPLOAD_FAILED"
        assert problem["fields"] == ["response_format"]

    def test_provenance_is_written_and_the_customers_exif_is_not(self) -> None:
        exif = Image.Exif()
        exif[0x010F] = "PhoneMaker"
        exif.get_ifd(0x8825)[1] = "N"
        room = as_base64(file_of(plain_room(), "JPEG", exif=exif))
        for asked in ("png", "jpeg", "webp"):
            preview = picture(answer(door(), small_edit(room_image=room, output_format=asked))["processed_image"])
            painted = picture(
                answer(door(Drifting), small_edit(room_image=room, output_format=asked))["processed_image"]
            )
            drawn = picture(answer(door(Drifting), small_generate(output_format=asked))["processed_image"])
            assert b"/digitalsourcetype/composite<" in preview.info["xmp"]
            assert b"/compositeWithTrainedAlgorithmicMedia<" in painted.info["xmp"]
            assert b"/trainedAlgorithmicMedia<" in drawn.info["xmp"]
            assert not preview.getexif()

    def test_the_photos_color_profile_is_kept(self) -> None:
        profile = display_p3()
        room = as_base64(file_of(plain_room(), icc_profile=profile))
        for asked in ("png", "jpeg", "webp"):
            out = answer(door(), small_edit(room_image=room, output_format=asked))
            assert picture(out["processed_image"]).info["icc_profile"] == profile

    @pytest.mark.parametrize("kept", [150, 200, 300])
    def test_a_color_profile_that_is_cut_short_is_none(self, kept: int) -> None:
        room = as_base64(file_of(plain_room(), "JPEG", icc_profile=display_p3()[:kept]))
        out = answer(door(), small_edit(room_image=room))
        assert "icc_profile" not in picture(out["processed_image"]).info


class TestInputPictures:
    @pytest.mark.parametrize(
        "text",
        [
            lambda plain: "\n".join(plain[i : i + 76] for i in range(0, len(plain), 76)),
            lambda plain: plain.replace("+", "-").replace("/", "_").rstrip("="),
            lambda plain: f"data:image/jpeg;base64,{plain}",
            lambda plain: f" data:application/octet-stream;name=x.png;base64,{plain}\n",
        ],
        ids=["line breaks", "url-safe without padding", "wrong data URL type", "odd data URL"],
    )
    def test_base64_is_read_in_every_common_wrapping(self, text: Any) -> None:
        plain = small_edit(seed=1)
        wrapped = plain | {"room_image": text(plain["room_image"]), "product_image": text(plain["product_image"])}
        assert answer(door(), wrapped)["processed_image"] == answer(door(), plain)["processed_image"]

    @pytest.mark.parametrize("field", ["product_image", "room_image"])
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("not base64!", "not valid base64"),
            ("ünïcode", "not valid base64"),
            ("aGVsbG8gd29ybGQ=", "not a picture"),
            (as_base64(file_of(plain_room(), "JPEG")[:900]), "truncated"),
            ("data:image/png;base64,", "not a picture"),
        ],
    )
    def test_what_is_no_picture_is_named_as_such(self, field: str, text: str, reason: str) -> None:
        problem = failure(door(), small_edit(**{field: text}))
        assert problem["error_code"] == "INVALID_INPUT"
        assert problem["fields"] == [field]
        assert problem["error"].startswith(f"Edit processing failed: Invalid {field}: Failed to decode image: ")
        assert reason in problem["error"]

    def test_a_picture_over_the_byte_limit_is_too_large(self) -> None:
        problem = failure(door(max_image_mb=0.0001), small_edit())
        assert problem["error_code"] == "IMAGE_TOO_LARGE"

    def test_a_header_that_claims_400_megapixels_is_believed_and_refused(self) -> None:
        png = bytearray(file_of(Image.new("RGB", (1, 1))))
        png[16:24] = (20_000).to_bytes(4, "big") * 2
        problem = failure(door(), small_edit(room_image=as_base64(bytes(png))))
        assert problem["error_code"] in ("IMAGE_TOO_LARGE", "INVALID_INPUT")
        bomb = io.BytesIO()
        Image.new("1", (20_000, 20_000)).save(bomb, "PNG")
        assert failure(door(), small_edit(room_image=as_base64(bomb.getvalue())))["error_code"] == "IMAGE_TOO_LARGE"

    def test_a_photo_without_its_end_is_read_with_a_warning(self) -> None:
        photo = as_base64(file_of(plain_room(), "JPEG")[:-2])
        out = answer(door(), small_edit(room_image=photo))
        assert "room_image: the file ends too early, details may be missing" in out["warnings"]
        assert out["lossless"] is False

    def test_a_private_url_is_not_fetched(self) -> None:
        problem = failure(door(), small_edit(room_image="https://169.254.169.254/latest/meta-data"))
        assert problem["error_code"] == "IMAGE_FETCH_FAILED"
        assert problem["fields"] == ["room_image"]

    def test_what_is_hidden_under_a_rooms_alpha_stays_hidden(self) -> None:
        room = plain_room().convert("RGBA")
        room.paste((255, 0, 255, 0), (0, 0, 40, 40))
        out = answer(door(), small_edit(room_image=as_base64(file_of(room)), placement_coordinates=[110, 110]))
        made = pixels(out["processed_image"])
        assert (made[:40, :40] == 255).all()
        assert (made[:40, 60:] == ROOM[:40, 60:]).all()

    def test_what_is_see_through_in_a_room_is_said_to_be_put_on_white(self) -> None:
        room = plain_room().convert("RGBA")
        opaque = answer(door(), small_edit(room_image=as_base64(file_of(room))))
        assert "white" not in " ".join(opaque.get("warnings", []))
        room.putpixel((0, 0), (9, 9, 9, 0))
        out = answer(door(), small_edit(room_image=as_base64(file_of(room))))
        assert "Transparent parts of room_image were filled with white" in out["warnings"]

    def test_a_picture_without_a_product_is_named(self) -> None:
        empty = as_base64(file_of(Image.new("RGBA", (40, 40), (0, 0, 0, 0))))
        for make in (small_edit, small_generate):
            problem = failure(door(), make(product_image=empty))
            assert "Invalid product_image: it shows no product" in problem["error"]
            assert (problem["error_code"], problem["fields"]) == ("INVALID_INPUT", ["product_image"])

    def test_a_mask_of_another_size_is_refused(self) -> None:
        mask = as_base64(file_of(Image.new("L", (80, 60), 255)))
        assert failure(door(), small_edit(mask=mask))["fields"] == ["mask"]

    def test_a_product_that_cannot_be_cut_out_is_said(self) -> None:
        scene = as_base64(CHAIR / "truth.png")
        out = answer(door(), small_edit(product_image=scene))
        assert out["placement_info"]["cutout_confidence"] < 0.5
        assert "background" in " ".join(out["warnings"])


class TestInvalidInput:
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("seed", True), ("seed", "7"), ("seed", 1.5), ("seed", -2), ("seed", 2**32), ("n", 0), ("n", 11),
            ("num_inference_steps", 0), ("num_inference_steps", 201), ("true_cfg_scale", 0.5),
            ("true_cfg_scale", 21), ("true_cfg_scale", float("nan")), ("quality", "ultra"),
            ("output_format", "gif"), ("output_quality", 0), ("response_format", "bytes"), ("fallback", "yes"),
            ("fallback", 1), ("instructions", "x" * 4001), ("product_height_cm", -1),
            ("product_height_cm", float("inf")), ("camera_height_cm", "150"), ("harmonize", 1.1),
            ("idempotency_key", ""), ("product_scale", 0.01), ("product_scale", 1.5),
            ("placement_surface", "roof"), ("placement_coordinates", [1]),
            ("placement_coordinates", [1, 2, 3]), ("placement_coordinates", [True, 5]),
            ("placement_coordinates", [float("nan"), 5]), ("placement_coordinates", ["5", 5]),
            ("placement_coordinates", [160, 5]), ("placement_coordinates", [-1, 5]),
            ("placement_box", [10, 10, 5, 20]), ("placement_box", [10, 10, 170, 20]), ("placement_box", [1, 2, 3]),
            ("product_image", 5), ("room_image", ""), ("preserve_background", "false"),
        ],
    )  # fmt: skip
    def test_a_wrong_value_is_refused_and_named(self, field: str, value: Any) -> None:
        job = small_edit()
        job[field] = value
        problem = failure(door(), job)
        assert problem["error_code"] == "INVALID_INPUT"
        assert problem["fields"] == [field]
        assert field in problem["error"]
        assert problem["success"] is False
        assert problem["error"].endswith(" [INVALID_INPUT]")

    def test_missing_pictures_read_as_callers_know_it(self) -> None:
        problem = failure(door(), {"action": "edit", "room_image": small_edit()["room_image"]})
        assert problem["error"] == "Edit processing failed: Missing product_image [INVALID_INPUT]"

    @pytest.mark.parametrize(
        ("point", "sentence"),
        [
            ([80], "Invalid placement_coordinates[1]: it is missing"),
            ([80, 90, 100], "Invalid placement_coordinates: it should have at most 2 items, not 3"),
            ("80, 90", "Invalid placement_coordinates: it should be a valid list"),
            (["80", 90], "Invalid placement_coordinates[0]: it should be a valid number"),
        ],
    )
    def test_a_point_that_is_none_is_explained(self, point: object, sentence: str) -> None:
        problem = failure(door(), small_edit(placement_coordinates=point))
        assert problem["error"] == f"Edit processing failed: {sentence} [INVALID_INPUT]"

    def test_an_unknown_action_names_the_known_ones(self) -> None:
        sentence = "Invalid action: X. Supported actions: edit, generate, health_check [INVALID_ACTION]"
        assert run(door(), {"action": "X"}) == {
            "error": sentence,
            "output": {"error_code": "INVALID_ACTION", "success": False, "message": sentence},
        }

    def test_an_unknown_field_is_refused_by_name(self) -> None:
        problem = failure(door(), small_edit(color="red"))
        assert problem["fields"] == ["color"]
        assert "Unknown field color" in problem["error"]
        assert failure(door(), {"action": "health_check", "deep": True})["fields"] == ["deep"]

    def test_fields_of_the_other_action_are_unknown(self) -> None:
        assert failure(door(), small_edit(output_size=[512, 512]))["fields"] == ["output_size"]

    @pytest.mark.parametrize("job_input", [None, [], "edit", 5])
    def test_an_input_that_is_no_object_is_refused(self, job_input: Any) -> None:
        assert failure(door(), job_input)["error_code"] == "INVALID_INPUT"

    def test_every_field_at_fault_is_listed(self) -> None:
        problem = failure(door(), small_edit(seed="7", n=0, color="red"))
        assert set(problem["fields"]) == {"seed", "n", "color"}

    def test_platform_fields_beside_the_input_are_no_business_of_ours(self) -> None:
        assert "error" not in run(door(), small_edit(), webhook="https://example.com", policy={"ttl": 1})


class TestFailingEngine:
    def test_the_preview_stands_in_and_says_why(self) -> None:
        worker = door(lambda: Failing(lambda: JobError(ErrorCode.OUT_OF_MEMORY, "The GPU is out of memory")))
        info = answer(worker, small_edit())["placement_info"]
        assert info["fallback_used"] is True
        assert info["fallback_reason"] == "The GPU is out of memory"
        assert info["engine"] == "preview"
        assert answer(worker, {"action": "health_check"})["jobs"]["fallbacks"] == 1

    def test_without_fallback_it_is_an_error(self) -> None:
        worker = door(lambda: Failing(lambda: JobError(ErrorCode.OUT_OF_MEMORY, "The GPU is out of memory")))
        problem = failure(worker, small_edit(fallback=False))
        assert problem["error"] == "Edit processing failed: The GPU is out of memory [OUT_OF_MEMORY]"
        assert problem["error_code"] == "OUT_OF_MEMORY"

    def test_an_unforeseen_failure_tells_nothing_of_the_inside(self, caplog: pytest.LogCaptureFixture) -> None:
        worker = door(lambda: Failing(lambda: RuntimeError("/secret/path: CUDA error")))
        problem = failure(worker, small_generate(fallback=False))
        assert problem["error_code"] == "GENERATION_ERROR"
        assert problem["error"].startswith("Generate processing failed: ")
        assert "secret" not in problem["error"]

    def test_three_failures_in_a_row_ask_for_a_fresh_worker(self) -> None:
        worker = door(lambda: Failing(lambda: JobError(ErrorCode.GENERATION_ERROR, "It failed")))
        asked = [run(worker, small_edit()).get("stopPod", False) for _ in range(3)]
        assert asked == [False, False, True]
        health = answer(worker, {"action": "health_check"})
        assert (health["status"], health["ready"]) == ("unhealthy", False)

    def test_a_card_beyond_recovery_asks_at_once_with_or_without_fallback(self) -> None:
        def beyond() -> JobError:
            return JobError(ErrorCode.GENERATION_ERROR, "The GPU is lost", refresh_worker=True)

        for fallback in (True, False):
            assert run(door(lambda: Failing(beyond)), small_edit(fallback=fallback))["stopPod"] is True

    def test_pictures_by_openais_route_ask_for_a_fresh_worker_too(self) -> None:
        worker = door(lambda: Failing(lambda: JobError(ErrorCode.GENERATION_ERROR, "It failed")))
        job = small_edit()
        body = {"prompt": "x", "image": [job["room_image"], job["product_image"]], "placement_coordinates": [80, 100]}
        route = {"openai_route": "/v1/images/edits", "openai_input": body}
        assert [run(worker, route).get("stopPod", False) for _ in range(3)] == [False, False, True]

    @pytest.mark.parametrize("problem", [RuntimeError("CUBLAS_STATUS_EXECUTION_FAILED"), ValueError("aspect ratio")])
    def test_a_language_model_that_fails_in_any_way_costs_no_answer(self, problem: Exception) -> None:
        worker = door(lambda: Talking(problem))
        out = answer(worker, small_edit(instructions="somewhere nice"))
        assert out["placement_info"]["engine"] == "talking"

    def test_a_job_whose_model_fails_at_words_and_at_painting_is_one_failure(self) -> None:
        class Mute(Failing):
            def ask(self, question: Question, control: Control) -> str:
                raise self.problem()

        worker = door(lambda: Mute(lambda: JobError(ErrorCode.GENERATION_ERROR, "It failed")))
        job = small_edit(instructions="somewhere nice")
        assert [run(worker, job).get("stopPod", False) for _ in range(3)] == [False, False, True]

    def test_a_leak_on_the_way_of_failing_jobs_asks_for_a_fresh_worker_too(self) -> None:
        leaked: list[bytearray] = []

        def leaking() -> JobError:
            leaked.append(bytearray(b"x" * 40_000_000))
            return JobError(ErrorCode.GENERATION_ERROR, "It failed")

        worker = door(lambda: Failing(leaking), max_memory_growth_mb=60, failures_before_refresh=1000)
        job = small_edit(fallback=False)
        asked = [run(worker, job).get("stopPod", False) for _ in range(WARM_UP_JOBS + 5)]
        assert (asked[0], asked[-1]) == (False, True)

    def test_invalid_input_never_falls_back(self) -> None:
        worker = door(lambda: Failing(lambda: JobError(ErrorCode.INVALID_INPUT, "Invalid seed", ("seed",))))
        assert failure(worker, small_edit())["error_code"] == "INVALID_INPUT"

    def test_a_model_that_is_not_ready_in_time_is_said_and_nothing_falls_back(self) -> None:
        problem = failure(door(never, ready_wait_seconds=0.05), small_edit())
        assert problem["error_code"] == "MODEL_NOT_READY"

    def test_a_job_waits_for_a_model_that_loads(self) -> None:
        may_load = threading.Event()

        def load() -> Preview:
            assert may_load.wait(WAIT_SECONDS)
            return Preview()

        async def call() -> dict[str, Any]:
            job = asyncio.create_task(worker.queued({"id": "job-1", "input": small_edit()}))
            began = time.monotonic()
            health = await worker.queued({"id": "job-2", "input": {"action": "health_check"}})
            assert (health["status"], job.done()) == ("loading", False)
            waited = time.monotonic() - began
            may_load.set()
            made = await job
            assert made["processing_time"] - made["placement_info"]["processing_time"] > waited - 0.01  # both rounded
            return made

        worker = door(load)
        assert asyncio.run(call())["success"] is True

    def test_a_job_over_its_time_ends_with_timeout(self) -> None:
        worker = door(lambda: Slow(go=threading.Semaphore(0)), job_timeout_seconds=0.3)
        assert failure(worker, small_edit())["error_code"] == "TIMEOUT"

    def test_a_bug_shows_no_traceback(self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
        worker = door()

        def broken(*_: Any) -> Any:
            raise ZeroDivisionError("secret of the inside")

        monkeypatch.setattr(type(worker.router), "work", broken)
        problem = failure(worker, small_edit())
        assert problem["error_code"] == "INTERNAL_ERROR"
        assert "secret" not in json.dumps(problem)


class TestIdempotency:
    def test_a_repeat_gets_the_stored_answer(self) -> None:
        worker = door()
        job = small_generate(idempotency_key="order-1")
        first, second = answer(worker, job), answer(worker, job)
        assert first == second  # a random seed would differ
        assert answer(worker, {"action": "health_check"})["jobs"]["done"] == 2

    def test_defaults_that_are_written_out_are_no_other_body(self) -> None:
        worker, job = door(), small_edit(idempotency_key="order-2")
        assert answer(worker, job | {"action": "edit", "n": 1}) == answer(worker, job)

    def test_a_stored_answer_that_does_not_fit_is_the_same_picture_in_what_does(self) -> None:
        grain = np.random.default_rng(0).integers(0, 255, (400, 400, 3), np.uint8)
        job = small_edit(room_image=as_base64(file_of(Image.fromarray(grain))), idempotency_key="order-3")
        worker = door(response_limit_mb=0.3)
        first = answer(worker, job, job_id="sync-1")
        again = answer(worker, job)
        assert (first["mime_type"], again["mime_type"]) == ("image/png", "image/jpeg")
        assert first["placement_info"]["seed"] == again["placement_info"]["seed"]

    def test_another_body_under_the_key_is_another_job(self) -> None:
        worker = door()
        first = answer(worker, small_generate(idempotency_key="order-1"))
        assert len(answer(worker, small_generate(idempotency_key="order-1", n=2))["images"]) == 2
        assert answer(worker, small_generate(idempotency_key="order-1")) == first

    def test_a_repeat_while_the_first_still_runs_waits_for_its_answer(self) -> None:
        engine = Slow(steps=6, go=threading.Semaphore(0))
        worker = door(lambda: engine)
        job = small_edit(idempotency_key="order-1")

        async def both() -> list[Any]:
            jobs = asyncio.gather(*(run_job(worker.queued, {"id": f"job-{i}", "input": job}) for i in range(2)))
            await asyncio.to_thread(engine.started.wait, WAIT_SECONDS)
            engine.go = None
            return await jobs

        first, second = asyncio.run(both())
        assert first == second
        assert engine.done_steps == 6

    def test_a_failure_is_not_kept(self) -> None:
        problems = iter([JobError(ErrorCode.GENERATION_ERROR, "It failed")])

        class FailsOnce(Preview):
            def edit(self, *args: Any) -> Any:
                for problem in problems:
                    raise problem
                return super().edit(*args)

        worker = door(FailsOnce)
        job = small_edit(idempotency_key="order-1", fallback=False)
        assert failure(worker, job)["error_code"] == "GENERATION_ERROR"
        assert answer(worker, job)["success"] is True


class TestCancellation:
    def test_a_cancelled_job_stops_within_a_step_and_the_next_has_the_engine_for_itself(self) -> None:
        engine = Slow(go=threading.Semaphore(0))
        worker = door(lambda: engine)

        async def cancel_one() -> None:
            task = asyncio.create_task(worker.queued({"id": "job-1", "input": small_edit()}))
            await asyncio.to_thread(engine.started.wait, WAIT_SECONDS)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not engine.inside.locked()

        asyncio.run(cancel_one())
        assert engine.done_steps == 0
        engine.go = None
        assert answer(worker, small_edit())["success"] is True

    def test_health_answers_while_a_job_runs(self) -> None:
        engine = Slow(go=threading.Semaphore(0))
        worker = door(lambda: engine)

        async def both() -> dict[str, Any]:
            task = asyncio.create_task(worker.queued({"id": "job-1", "input": small_edit()}))
            await asyncio.to_thread(engine.started.wait, WAIT_SECONDS)
            health = await worker.queued({"id": "job-2", "input": {"action": "health_check"}})
            assert not task.done()
            engine.go = None
            await task
            return health

        assert asyncio.run(both())["jobs"]["running"] == 1


class TestLogs:
    def test_no_picture_and_no_word_of_the_caller_is_logged(
        self, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        asyncio.run(rp_handler.handler({"id": "job-0", "input": {"action": "health_check"}}))  # sets the level
        caplog.set_level("DEBUG")
        job = small_edit(instructions="a secret wish", seed=3)
        for job_input in (job, job | {"color": "red"}, job | {"placement_box": [1, 1, 500, 500]}):
            asyncio.run(run_job(rp_handler.handler, {"id": "job-1", "input": job_input}))
        worker = door(lambda: Failing(lambda: RuntimeError("it failed")))
        asyncio.run(worker.queued({"id": "job-2", "input": job}))
        written = capfd.readouterr()
        everything = written.out + written.err + caplog.text
        assert "job-1" in everything
        assert "job-2" in everything
        assert "secret wish" not in everything
        assert "iVBOR" not in everything


def test_the_public_handler_is_the_queue_door() -> None:
    assert asyncio.iscoroutinefunction(rp_handler.handler)
    result = asyncio.run(run_job(rp_handler.handler, {"id": "job-1", "input": {"action": "health_check"}}))
    assert result["output"]["status"] in ("healthy", "loading")
