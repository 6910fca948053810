"""Each kind of product goes where it belongs in a new room."""

import numpy as np
import pytest
from PIL import Image

from models.engine import Control, GenerateTask, Painted
from models.preview import Preview
from testing.pictures import as_base64, file_of
from testing.shop import answer, door, small_generate


class Listening(Preview):
    def __init__(self) -> None:
        self.tasks: list[GenerateTask] = []

    def generate(self, task: GenerateTask, control: Control) -> Painted:
        self.tasks.append(task)
        return super().generate(task, control)


@pytest.mark.parametrize(
    ("fields", "surface"),
    [
        ({"product_name": "Berber rug"}, "rug"),
        ({"product_name": "Wanduhr"}, "wall"),
        ({"instructions": "hang it from the ceiling"}, "ceiling"),
        ({"placement_surface": "wall", "product_name": "Vase"}, "wall"),
        ({"product_name": "Armchair"}, "auto"),
    ],
)
def test_the_engine_is_told_where_the_product_belongs(fields: dict[str, str], surface: str) -> None:
    engine = Listening()
    answer(door(lambda: engine), small_generate(seed=1, **fields))
    [task] = engine.tasks
    assert (task.surface, task.name) == (surface, fields.get("product_name", ""))


def test_a_surface_that_is_told_by_the_shape_alone_is_a_guess_and_words_that_disagree_are_a_warning() -> None:
    y, x = np.mgrid[-1:1:60j, -1:1:90j]
    inside = (np.abs(x) > 0.85) | (np.abs(y) > 0.85) | ((np.abs(x) < 0.3) & (np.abs(y) < 0.3))
    rug = Image.new("RGBA", (98, 68), (0, 0, 0, 0))
    rug.paste(Image.fromarray(np.where(inside[..., None], (230, 220, 200), (40, 60, 130)).astype(np.uint8)), (4, 4))
    engine = Listening()
    guessed = answer(door(lambda: engine), small_generate(seed=1, product_image=as_base64(file_of(rug))))
    assert engine.tasks[0].surface == "rug"
    assert any("placement_surface was guessed" in warning for warning in guessed["warnings"])
    words = {"product_name": "Vase", "instructions": "hang it from the ceiling"}
    disagreed = answer(door(), small_generate(seed=1, **words))
    assert any("suggests the surface tabletop" in warning for warning in disagreed["warnings"])


def test_a_width_gives_the_height_by_the_photo_s_shape() -> None:
    engine = Listening()
    answer(door(lambda: engine), small_generate(seed=1, product_width_cm=30))
    shape = engine.tasks[0].cut_out.alpha.shape
    assert engine.tasks[0].product_height_cm == pytest.approx(30 * shape[0] / shape[1])


def test_a_photo_of_another_shape_than_the_sizes_is_a_warning() -> None:
    out = answer(door(), small_generate(seed=1, product_width_cm=100, product_height_cm=50))
    assert any("the product photo shows" in warning for warning in out["warnings"])
    fitting = answer(door(), small_generate(seed=1, product_width_cm=32, product_height_cm=50))
    assert not any("the product photo shows" in warning for warning in fitting.get("warnings", []))


@pytest.mark.parametrize("kind", ["Berber rug", "Wanduhr", "Pendant lamp", "Vase"])
def test_a_drawn_room_keeps_a_place_for_each_kind(kind: str) -> None:
    out = answer(door(), small_generate(seed=1, product_name=kind, product_height_cm=40))
    assert "warnings" not in out


def test_a_terrace_has_no_wall_and_says_so() -> None:
    out = answer(door(), small_generate(seed=1, product_name="Wanduhr", environment_type="outdoor"))
    assert any("neither a wall nor a ceiling" in warning for warning in out["warnings"])
