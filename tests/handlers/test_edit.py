"""Edits of several products, and edits that replace an object in the photo."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from models import replay
from models.engine import Control, EditTask, Painted
from models.preview import Preview
from schemas.errors import ErrorCode, JobError
from testing.fakes import Failing, Talking
from testing.pictures import as_base64, file_of, pixels, plain_room, red_vase
from testing.shop import answer, door, failure, small_edit

ROOM = np.asarray(plain_room())


def box_of(color: tuple[int, int, int], size: int = 60) -> str:
    picture = Image.new("RGBA", (size, size), (0, 0, 0, 0))
    picture.paste((*color, 255), (2, 2, size - 2, size - 2))
    return as_base64(file_of(picture))


RED, GREEN, BLUE = (box_of(color) for color in ((200, 30, 30), (30, 170, 30), (30, 30, 200)))


def several(*products: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return small_edit(product_image=None, products=list(products), output_format="png", seed=1, **fields)


def at(image: str, x: int, y: int, scale: float = 0.3) -> dict[str, Any]:
    return {"product_image": image, "placement_coordinates": [x, y], "product_scale": scale}


class TestSeveralProducts:
    def test_the_nearer_product_hides_the_farther_whatever_their_order(self) -> None:
        far, near = at(RED, 80, 95), at(BLUE, 84, 110)
        for products in ((far, near), (near, far)):
            made = pixels(answer(door(), several(*products))["processed_image"]).astype(int)
            red, _, blue = made[90, 86]
            assert blue > red

    def test_each_is_reported_in_the_order_of_the_request(self) -> None:
        out = answer(door(), several(at(BLUE, 84, 110), at(RED, 80, 95), at(GREEN, 20, 100)))
        assert [each["coordinates"][1] for each in out["placements"]] == pytest.approx([110, 95, 100], abs=2)
        assert {each["surface"] for each in out["placements"]} == {"floor"}
        assert all({"box", "cutout_confidence", "checks"} <= each.keys() for each in out["placements"])
        assert "box" not in out["placement_info"]
        assert out["placement_info"]["checks"]["background_identical"] == 1.0

    def test_the_photo_is_unchanged_away_from_the_products(self) -> None:
        made = pixels(answer(door(), several(at(BLUE, 130, 110, 0.2), at(RED, 120, 95, 0.2)))["processed_image"])
        assert (made[:, :60] == ROOM[:, :60]).all()
        assert (made != ROOM).any()

    def test_one_camera_gives_all_of_them_their_scale(self) -> None:
        products = [
            {"product_image": image, "placement_coordinates": [x, y], "product_height_cm": 80}
            for image, x, y in ((RED, 40, 80), (BLUE, 120, 110))
        ]
        alone = [answer(door(), small_edit(output_format="png", **each))["placement_info"]["box"] for each in products]
        together = [each["box"] for each in answer(door(), several(*products))["placements"]]
        assert together == alone

    def test_products_without_a_place_keep_clear_of_each_other(self) -> None:
        out = answer(door(), several({"product_image": RED}, {"product_image": BLUE}))
        one, other = (each["coordinates"] for each in out["placements"])
        assert np.hypot(*np.subtract(one, other)) > 10

    def test_an_engine_with_few_references_paints_them_in_passes(self) -> None:
        engine = Pairs()
        out = answer(door(lambda: engine), several(at(RED, 30, 95), at(GREEN, 80, 100), at(BLUE, 130, 110)))
        assert [len(task.products) for task in engine.tasks] == [2, 1]
        assert out["placement_info"]["checks"]["background_identical"] == 1.0
        made = pixels(out["processed_image"]).astype(int)
        assert made[105, 130, 2] > made[105, 130, 0]
        assert made[88, 30, 0] > made[88, 30, 2]

    @pytest.mark.parametrize(
        ("products", "fields", "sentence"),
        [
            ([{"product_image": RED}, {}], {}, "Missing products[1].product_image"),
            ([{"product_image": RED}, {"product_image": "?"}], {}, "Invalid products[1].product_image"),
            ([{"product_image": RED, "n": 2}], {}, "Unknown field products[0].n"),
            ([at(RED, 900, 10)], {}, "Invalid products[0].placement_coordinates"),
            ([at(RED, 80, 95)], {"product_height_cm": 80}, "Invalid product_height_cm"),
            ([at(RED, 80, 95)] * 7, {}, "Invalid products"),
            ([], {}, "Invalid products"),
            ([at(RED, 80, 95)] * 2, {"replace": "the sofa"}, "Invalid replace"),
        ],
    )
    def test_an_error_names_the_product(self, products: Any, fields: dict[str, Any], sentence: str) -> None:
        said = failure(door(), several(*products, **fields))
        assert said["error_code"] == "INVALID_INPUT"
        assert said["error"].startswith(f"Edit processing failed: {sentence}")
        assert said["fields"] == [sentence.rpartition(" ")[2]]

    def test_product_image_alone_is_the_short_form_of_one(self) -> None:
        short = answer(door(), small_edit(output_format="png", seed=1, **at(RED, 80, 95)))
        long = answer(door(), several(at(RED, 80, 95)))
        assert short["processed_image"] == long["processed_image"]
        assert "placements" not in short


def bands() -> str:
    """Return a cut-out of 90 x 60 pixels with a pattern that is symmetric in both directions, as rugs have."""
    y, x = np.mgrid[-1:1:60j, -1:1:90j]
    inside = (np.abs(x) > 0.85) | (np.abs(y) > 0.85) | ((np.abs(x) < 0.3) & (np.abs(y) < 0.3))
    pixels = np.where(inside[..., None], (230, 220, 200), (40, 60, 130)).astype(np.uint8)
    cut_out = Image.new("RGBA", (98, 68), (0, 0, 0, 0))
    cut_out.paste(Image.fromarray(pixels), (4, 4))
    return as_base64(file_of(cut_out))


class TestSurfaces:
    @pytest.mark.parametrize(
        ("fields", "surface"),
        [
            ({"product_name": "Berber rug"}, "rug"),
            ({"instructions": "Lege den Teppich vor das Sofa"}, "rug"),
            ({"product_name": "Affiche encadrée"}, "wall"),
            ({"product_name": "Lámpara de techo"}, "ceiling"),
            ({"product_name": "花瓶"}, "tabletop"),
            ({"product_name": "Berber rug", "placement_surface": "wall"}, "wall"),
            ({"product_name": "Armchair"}, "floor"),
        ],
    )
    def test_words_choose_the_surface_and_nothing_was_guessed(self, fields: dict[str, str], surface: str) -> None:
        out = answer(door(), small_edit(product_image=RED, product_width_cm=60, seed=1, **fields))
        assert out["placement_info"]["surface"] == surface
        assert not any("guessed" in warning or "suggests" in warning for warning in out.get("warnings", []))

    def test_a_surface_that_is_told_by_the_shape_alone_is_a_guess(self) -> None:
        out = answer(door(), small_edit(product_image=bands(), placement_coordinates=[80, 110]))
        assert out["placement_info"]["surface"] == "rug"
        assert any("placement_surface was guessed" in warning for warning in out["warnings"])

    @pytest.mark.parametrize(("box", "surface"), [([40, 60, 120, 110], "floor"), ([40, 90, 120, 110], "rug")])
    def test_only_a_box_flatter_than_the_photo_holds_a_rug(self, box: list[int], surface: str) -> None:
        out = answer(door(), small_edit(product_image=bands(), placement_box=box))
        assert out["placement_info"]["surface"] == surface

    def test_a_title_that_contradicts_the_instructions_is_a_warning(self) -> None:
        words = {"product_name": "Vase", "instructions": "hang it from the ceiling"}
        out = answer(door(), small_edit(product_image=RED, **words))
        assert out["placement_info"]["surface"] == "ceiling"
        assert any("suggests the surface tabletop" in warning for warning in out["warnings"])

    @pytest.mark.parametrize(("width_cm", "warns"), [(100, False), (113, False), (120, True), (80, True)])
    def test_sizes_that_contradict_the_photo_by_more_than_15_percent_are_a_warning(
        self, width_cm: float, warns: bool
    ) -> None:
        sized = {"product_image": RED, "product_width_cm": width_cm, "product_height_cm": 100}
        alone = answer(door(), small_edit(placement_coordinates=[80, 110], **sized))
        third = answer(door(), several(at(GREEN, 20, 100), at(BLUE, 130, 100), sized))
        said = [" ".join(out.get("warnings", [])) for out in (alone, third)]
        assert ["product_width_cm and product_height_cm give" in text for text in said] == [warns, warns]
        assert ("products[2].product_width_cm" in said[1]) is warns

    def test_a_rug_that_is_photographed_at_an_angle_is_noticed(self) -> None:
        seen_at_an_angle = Image.new("RGBA", (200, 120), (0, 0, 0, 0))
        ImageDraw.Draw(seen_at_an_angle).polygon([(60, 20), (140, 20), (190, 100), (10, 100)], fill=(140, 60, 50, 255))
        for image, warns in ((as_base64(file_of(seen_at_an_angle)), True), (bands(), False)):
            out = answer(door(), small_edit(product_image=image, placement_surface="rug", product_width_cm=100))
            assert any("photographed at an angle" in warning for warning in out.get("warnings", [])) is warns

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"product_image": "?"}, "product_image"),
            ({"placement_surface": "roof"}, "placement_surface"),
            ({"product_width_cm": 0}, "product_width_cm"),
            ({"rotation_degrees": 200}, "rotation_degrees"),
            ({"product_name": 7}, "product_name"),
        ],
    )
    def test_what_is_wrong_with_the_third_product_is_named(self, wrong: dict[str, Any], field: str) -> None:
        said = failure(door(), several(at(RED, 40, 95), at(GREEN, 80, 95), at(BLUE, 120, 95) | wrong))
        assert (said["error_code"], said["fields"]) == ("INVALID_INPUT", [f"products[2].{field}"])
        assert f"Invalid products[2].{field}" in said["error"]


class Pairs(Preview):
    """An engine that paints two products at once."""

    name = "pairs"
    products_per_pass = 2

    def __init__(self) -> None:
        self.tasks: list[EditTask] = []

    def edit(self, task: EditTask, control: Control) -> Painted:
        self.tasks.append(task)
        return Painted(task.guide.pixels, 4, 1.0)


OLD = [60, 60, 100, 110]


def room_with_old_thing() -> np.ndarray:
    room = ROOM.copy()
    room[OLD[1] : OLD[3], OLD[0] : OLD[2]] = (30, 90, 40)
    return room


def recording(folder: Path) -> np.ndarray:
    """Return the room without the old object, with a red vase in its place."""
    made = ROOM.copy()
    vase = red_vase(44)
    picture = Image.fromarray(made)
    picture.paste(vase.convert("RGB"), (58, 66), vase.split()[3])
    picture.save(folder / "0.png")
    return np.asarray(picture)


def replacing(replaced: Any, **fields: Any) -> dict[str, Any]:
    room = as_base64(file_of(Image.fromarray(room_with_old_thing())))
    return small_edit(room_image=room, replace=replaced, output_format="png", seed=0) | fields


class TestReplace:
    @pytest.mark.parametrize("replaced", [OLD, "the green cupboard"])
    def test_the_old_thing_is_gone_and_the_rest_is_the_photo(self, replaced: Any, tmp_path: Path) -> None:
        truth = recording(tmp_path)
        answers = [{"asked": "green cupboard", "answer": json.dumps({"box": _seen(OLD)})}]
        (tmp_path / "answers.json").write_text(json.dumps(answers))
        out = answer(door(lambda: replay.open_replay(tmp_path)), replacing(replaced, fallback=False))
        made = pixels(out["processed_image"]).astype(int)
        left, top, right, bottom = OLD
        green = made[top:bottom, left:right, 1] - made[top:bottom, left:right, 0]
        assert (green > 20).mean() < 0.02
        assert abs(made[top:bottom, left:right] - truth[top:bottom, left:right]).mean() < 12
        assert out["placement_info"]["checks"]["replaced"] > 0.9
        assert out["placement_info"]["checks"]["background_identical"] == 1.0
        assert (made[:, :30] == room_with_old_thing()[:, :30]).all()
        assert out["placement_info"]["coordinates"][0] == pytest.approx(80, abs=4)

    def test_a_picture_that_still_shows_it_fails_its_check(self, tmp_path: Path) -> None:
        Image.fromarray(room_with_old_thing()).save(tmp_path / "0.png")
        out = answer(door(lambda: replay.open_replay(tmp_path)), replacing(OLD, fallback=False))
        assert "replaced" in out["placement_info"]["checks"]["failed"]

    @pytest.mark.parametrize("reply", ['{"box": null}', "I see no sofa", '{"box": [9, 9, 1, 1]}'])
    def test_what_is_not_found_is_said(self, reply: str) -> None:
        said = failure(door(lambda: Talking(reply)), replacing("the sofa"))
        assert said["error_code"] == "INVALID_INPUT"
        assert "Invalid replace: it was not found in the photo" in said["error"]

    def test_the_preview_looks_for_nothing(self) -> None:
        assert failure(door(), replacing("the sofa"))["error_code"] == "NOT_SUPPORTED"

    def test_the_preview_cannot_paint_what_was_behind(self) -> None:
        assert failure(door(), replacing(OLD))["error_code"] == "NOT_SUPPORTED"

    def test_the_preview_covers_what_the_product_hides(self) -> None:
        large = {"product_image": RED, "placement_box": [50, 45, 116, 112]}
        out = answer(door(), replacing(OLD, **large))
        assert any("Nothing had to be removed" in warning for warning in out["warnings"])
        made = pixels(out["processed_image"]).astype(int)[OLD[1] : OLD[3], OLD[0] : OLD[2]]
        assert (made[..., 0] > made[..., 1]).all()

    def test_a_failing_model_never_falls_back_to_what_cannot_remove(self) -> None:
        engine = Failing(lambda: JobError(ErrorCode.GENERATION_ERROR, "The model failed"))
        assert failure(door(lambda: engine), replacing(OLD))["error_code"] == "GENERATION_ERROR"

    @pytest.mark.parametrize("replaced", ["", " ", [1, 2, 3], [5, 5, 5, 9], [0, 0, 500, 500], 7, [1, 2, 3, "4"]])
    def test_a_wrong_one_is_invalid(self, replaced: Any) -> None:
        said = failure(door(), replacing(replaced))
        assert (said["error_code"], said["fields"]) == ("INVALID_INPUT", ["replace"])


def _seen(box: list[int]) -> list[float]:
    """Return a box of the small photo in pixels of the picture that the language model sees."""
    from imaging.picture import Picture
    from imaging.placement.suggestion import room_shown

    shown = room_shown(Picture(ROOM)).size
    across, down = shown[0] / ROOM.shape[1], shown[1] / ROOM.shape[0]
    return [box[0] * across, box[1] * down, box[2] * across, box[3] * down]
