import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from imaging.compose import Composite
from imaging.cutout import CutOut
from imaging.geometry.camera import Camera
from imaging.picture import Picture, Pixels, Size
from imaging.placement.layout import Placement
from models.engine import Control, EditTask, ImageModel, Painted, PaintTask, PlacedProduct, Sampling
from models.replay import framed, open_replay
from schemas.answers import Scale
from schemas.errors import ErrorCode, JobError
from schemas.settings import SettingsError
from testing.profiles import display_p3


@pytest.fixture
def engine(tmp_path: Path) -> ImageModel:
    """Return an engine on single-color recordings, of which the first by name was written last."""
    for name, gray in (("b.png", 100), ("c.jpg", 200), ("a.webp", 0)):
        Image.new("RGB", (1184, 880), (gray, gray, gray)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("recorded in autumn")
    return open_replay(tmp_path)


def play(engine: ImageModel, seed: int, size: Size = (1600, 1200), negative_prompt: str = "") -> Painted:
    task = PaintTask("", (), size, Sampling(seed=seed, negative_prompt=negative_prompt))
    return engine.paint(task, Control())


def test_the_seed_counts_through_the_recordings_in_the_order_of_their_names(engine: ImageModel) -> None:
    assert [round(play(engine, seed).pixels.mean(), -1) for seed in range(5)] == [0, 100, 200, 0, 100]


@pytest.mark.parametrize("size", [(1600, 1200), (4032, 3024), (333, 1001), (1280, 720)])
def test_the_answer_has_exactly_the_asked_size(engine: ImageModel, size: Size) -> None:
    assert play(engine, 1, size).pixels.shape == (size[1], size[0], 3)


def test_what_is_finer_than_the_models_working_size_is_lost_as_with_the_model(tmp_path: Path) -> None:
    stripes = np.zeros((2400, 3200, 3), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    assert play(open_replay(tmp_path), 0, (3200, 2400)).pixels.std() < 30


def test_a_recording_lies_on_the_photo_frame_to_frame(tmp_path: Path) -> None:
    photo = _disc((1600, 1200), (1200, 300))
    Image.fromarray(cv2.resize(photo, (1184, 880), interpolation=cv2.INTER_AREA)).save(tmp_path / "raw.png")
    played = play(open_replay(tmp_path), 0, (1600, 1200)).pixels
    assert np.abs(_center(played) - (1200, 300)).max() < 0.5


def test_a_recording_of_another_shape_is_cropped_and_not_stretched() -> None:
    square = framed(_disc((1600, 1200), (800, 600)), (600, 600))
    rows, columns = (np.ptp(np.nonzero(square[..., 0] > 127)[axis]) for axis in (0, 1))
    assert abs(rows - columns) <= 1


def test_an_edit_is_in_the_colors_of_the_photos_profile(tmp_path: Path) -> None:
    Image.new("RGB", (400, 304), (255, 0, 0)).save(tmp_path / "red.png")
    room = Picture(np.zeros((304, 400, 3), np.uint8), icc=display_p3())
    played = open_replay(tmp_path).edit(_task(room), Control()).pixels
    assert np.abs(played.mean(axis=(0, 1)) - (234, 51, 35)).max() < 8, "sRGB red in Display P3"


def test_what_has_no_effect_is_said(engine: ImageModel) -> None:
    assert not play(engine, 7).warnings
    assert "negative_prompt" in play(engine, 7, negative_prompt="people").warnings[0]


def test_a_cancelled_job_is_not_played(engine: ImageModel) -> None:
    control = Control()
    control.cancelled.set()
    with pytest.raises(JobError) as stopped:
        engine.paint(PaintTask("", (), (64, 64), Sampling(seed=0)), control)
    assert stopped.value.code is ErrorCode.CANCELLED


def test_a_damaged_recording_is_the_engines_failure_and_named(engine: ImageModel, tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(b"no picture")
    with pytest.raises(JobError, match=r"b\.png") as problem:
        play(engine, 1)
    assert problem.value.code is ErrorCode.GENERATION_ERROR


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="REPLAY_DIR"):
        open_replay(tmp_path)


def test_it_needs_no_torch() -> None:
    code = "import models.replay, sys; print(sorted({'torch', 'diffusers', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def _task(room: Picture) -> EditTask:
    box = (10, 10, 20, 20)
    camera = Camera(room.size, horizon=100, focal=300, height_cm=150, found=False)
    placement = Placement(
        box, box, (15, 20), "floor", camera, height_cm=40, distance_cm=300, scale=Scale(source="asked", error_percent=0)
    )
    cut_out = CutOut(room.pixels, np.ones(room.pixels.shape[:2], np.float32), 1.0)
    whole, everywhere = (0, 0, *room.size), np.ones(room.pixels.shape[:2], np.bool_)
    guide = Composite(room.pixels, everywhere, whole, everywhere.astype(np.float32))
    return EditTask(room, (PlacedProduct(cut_out, placement),), guide, None, Sampling(seed=0))


def _disc(size: Size, center: tuple[int, int]) -> Pixels:
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    cv2.circle(picture, center, 100, (255, 255, 255), -1, cv2.LINE_AA)
    return picture


def _center(picture: Pixels) -> np.ndarray:
    rows, columns = np.indices(picture.shape[:2])
    weight = picture[..., 0] / picture[..., 0].sum()
    return np.array([(columns * weight).sum(), (rows * weight).sum()])
