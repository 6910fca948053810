"""The engine on tiny components of the real classes. Each test fails without the precaution that it names."""

import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from imaging.picture import Picture
from models import tiny
from models.checkpoints.components import Components
from models.engine import Control, Painted, PaintTask, Progress, Sampling
from models.qwen.conditioning import embed, encode
from models.qwen.engine import Qwen, load_qwen
from schemas.errors import ErrorCode, JobError
from schemas.settings import Settings, SettingsError
from testing.patience import WAIT_SECONDS

SIZE = (160, 96)
ROOM = Picture(np.random.default_rng(0).integers(0, 255, (96, 160, 3), np.uint8))
TALL = Picture(np.random.default_rng(1).integers(0, 255, (128, 64, 3), np.uint8))


@pytest.fixture(scope="module")
def parts() -> Components:
    return tiny.components()


@pytest.fixture(scope="module")
def engine() -> Any:
    return tiny.build_tiny()


def paint(engine: Qwen, control: Control | None = None, references: Any = (ROOM,), **sampling: Any) -> Painted:
    task = PaintTask("a chair", tuple(references), SIZE, Sampling(**({"seed": 3, "steps": 2} | sampling)))
    return engine.paint(task, control or Control())


class TestSizes:
    def test_the_answer_has_the_asked_size_whatever_the_last_picture_is(self, engine: Qwen) -> None:
        assert paint(engine, references=[ROOM, TALL]).pixels.shape == (96, 160, 3)

    @pytest.mark.parametrize("size", [(161, 97), (64, 256), (333, 111)])
    def test_odd_sizes_come_out_exactly(self, engine: Qwen, size: tuple[int, int]) -> None:
        task = PaintTask("a chair", (), size, Sampling(seed=1, steps=1))
        assert engine.paint(task, Control()).pixels.shape == (size[1], size[0], 3)

    def test_a_product_costs_its_own_budget_and_not_a_megapixel(self, engine: Qwen, parts: Components) -> None:
        large = np.zeros((900, 700, 3), np.uint8)
        reference = engine._product(large)
        assert reference.shape[0] * reference.shape[1] < 1.3 * tiny.PROFILE.product_area
        assert encode(parts, reference).shape[3] * 8 == reference.shape[0]


class TestSchedules:
    def test_equal_seeds_give_equal_pixels_and_others_do_not(self, engine: Qwen) -> None:
        first, second, other = (paint(engine, seed=seed).pixels for seed in (1, 1, 2))
        assert (first == second).all()
        assert (first != other).any()

    def test_guidance_works_although_no_negative_prompt_is_given(self, engine: Qwen) -> None:
        with_guidance = paint(engine, quality="best", steps=2)
        without = paint(engine, quality="best", true_cfg_scale=1.0)
        assert with_guidance.true_cfg_scale == 4.0
        assert (with_guidance.pixels != without.pixels).any()

    def test_a_negative_prompt_without_guidance_is_named_in_the_warnings(self, engine: Qwen) -> None:
        assert "negative_prompt" in " ".join(paint(engine, negative_prompt="people").warnings)
        assert not paint(engine, quality="best", negative_prompt="people").warnings

    def test_guidance_never_meets_a_few_step_lora(self, engine: Qwen) -> None:
        guided = paint(engine, quality="fast", true_cfg_scale=4.0)
        plain = paint(engine, quality="best", true_cfg_scale=4.0)
        assert (guided.pixels == plain.pixels).all()

    def test_the_lora_of_a_quality_is_in_force_and_gone_again(self, engine: Qwen, parts: Components) -> None:
        few, best = (paint(engine, quality=quality, true_cfg_scale=1.0) for quality in ("fast", "best"))
        assert (few.pixels != best.pixels).any()
        bare = Qwen(parts)
        assert bare.qualities == ("best",)
        apart = paint(bare, quality="best", true_cfg_scale=1.0).pixels.astype(int) - best.pixels
        assert np.abs(apart).max() <= 2, "a LoRA that is subtracted leaves rounding behind, no more"

    def test_a_quality_that_is_not_loaded_is_answered_with_the_nearest_and_said(self, parts: Components) -> None:
        painted = paint(Qwen(parts), quality="fast", steps=None)
        assert painted.steps == 12
        assert "fast" in painted.warnings[0]

    def test_a_job_leaves_no_trace_in_the_next(self, engine: Qwen) -> None:
        before = paint(engine).pixels
        paint(engine, steps=5, quality="best")
        assert (paint(engine).pixels == before).all()

    @pytest.mark.parametrize("quality", ["fast", "best"])
    def test_a_single_step_is_a_schedule_too(self, engine: Qwen, quality: str) -> None:
        assert paint(engine, quality=quality, steps=1).pixels.std() > 1


class TestOneGpu:
    def test_all_that_the_gpu_does_is_done_on_one_thread(self, monkeypatch: pytest.MonkeyPatch) -> None:
        engine: Any = tiny.build_tiny()
        first, threads = engine._parts.edit.transformer.img_in, set()
        real = first.forward
        monkeypatch.setattr(first, "forward", lambda *x: [threads.add(threading.get_ident()), real(*x)][1])
        engine.warm_up()
        for _ in range(2):
            job = threading.Thread(target=paint, args=(engine,))
            job.start()
            job.join()
        assert len(threads) == 1

    def test_two_threads_never_meet_in_the_transformer(self, engine: Qwen, monkeypatch: pytest.MonkeyPatch) -> None:
        inside, alone = threading.Lock(), []
        forward = engine._parts.edit.transformer.proj_out.forward

        def watched(*args: Any, **kwargs: Any) -> Any:
            alone.append(inside.acquire(blocking=False))
            try:
                return forward(*args, **kwargs)
            finally:
                inside.release()

        monkeypatch.setattr(engine._parts.edit.transformer.proj_out, "forward", watched)
        with ThreadPoolExecutor(2) as pool:
            pictures = [future.result().pixels for future in [pool.submit(paint, engine) for _ in range(2)]]
        assert all(alone)
        assert (pictures[0] == pictures[1]).all()

    def test_a_cancelled_job_ends_within_a_step_and_the_lock_is_free(self, engine: Qwen) -> None:
        seen: list[Progress] = []
        control = Control(report=lambda progress: (seen.append(progress), control.cancelled.set()))
        with pytest.raises(JobError) as stopped:
            paint(engine, control, steps=6)
        assert stopped.value.code is ErrorCode.CANCELLED
        assert len(seen) == 1
        assert paint(engine).pixels.shape == (96, 160, 3)

    def test_a_job_that_waits_for_its_turn_can_be_cancelled(self, engine: Qwen) -> None:
        control = Control()
        control.cancelled.set()
        with engine._lock, pytest.raises(JobError) as stopped:
            paint(engine, control)
        assert stopped.value.code is ErrorCode.CANCELLED

    def test_the_wait_for_the_gpu_is_not_counted_as_work(self, engine: Qwen) -> None:
        entered = threading.Event()

        class Watched(Control):
            @contextmanager
            def waiting(self) -> Iterator[None]:
                with super().waiting():
                    entered.set()
                    yield

        control = Watched()
        with engine._lock:
            job = threading.Thread(target=paint, args=(engine, control))
            job.start()
            assert entered.wait(WAIT_SECONDS)
            began = time.monotonic()
            waited = time.monotonic() - began
        job.join()
        assert sum(control.waits) >= waited

    def test_progress_counts_the_steps(self, engine: Qwen) -> None:
        seen: list[Progress] = []
        paint(engine, Control(report=seen.append), steps=3)
        assert [(progress.step, progress.of) for progress in seen] == [(0, 3), (1, 3), (2, 3)]


def test_the_checkpoint_that_painted_is_named(parts: Components) -> None:
    text = replace(parts.edit, profile=replace(parts.edit.profile, name="text-to-image"))
    both = Qwen(replace(parts, text=text))
    assert both.paint(PaintTask("a chair", (), SIZE, Sampling(seed=3, steps=1)), Control()).engine == "text-to-image"
    assert paint(both).engine == both.name == "tiny"


class TestCaches:
    def test_what_repeats_is_computed_once_and_changes_nothing(self, parts: Components) -> None:
        engine, fresh = Qwen(parts), Qwen(parts, cache_bytes=0)
        first = paint(engine, quality="best").pixels
        hits = engine._cache.hits
        assert (paint(engine, quality="best").pixels == first).all()
        assert engine._cache.hits == hits + 3, "words, negative words, latents"
        assert (paint(fresh, quality="best").pixels == first).all()
        assert fresh._cache.nbytes == 0

    def test_the_tiny_engine_keeps_no_more_than_it_says(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tiny, "CACHE_BYTES", 10_000)
        engine: Any = tiny.build_tiny()
        paint(engine)
        assert engine._cache.nbytes <= 10_000


def failing_once(problem: BaseException, real: Any) -> Any:
    problems = [problem]

    def call(*args: Any, **kwargs: Any) -> Any:
        if problems:
            raise problems.pop()
        return real(*args, **kwargs)

    return call


class TestFailures:
    @pytest.mark.parametrize(
        "problem",
        [torch.OutOfMemoryError(), RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED when calling cudnn"),
         RuntimeError("GET was unable to find an engine to execute this computation"),
         torch.AcceleratorError("CUDA error: out of memory")],
    )  # fmt: skip
    def test_memory_that_runs_out_once_costs_only_size(
        self, engine: Qwen, monkeypatch: pytest.MonkeyPatch, problem: Exception
    ) -> None:
        last = engine._parts.edit.transformer.proj_out
        monkeypatch.setattr(last, "forward", failing_once(problem, last.forward))
        assert paint(engine).pixels.shape == (96, 160, 3)

    def test_the_second_try_has_the_memory_of_the_first(self, engine: Qwen, monkeypatch: pytest.MonkeyPatch) -> None:
        last = engine._parts.edit.transformer.proj_out
        real, activations, alive = last.forward, [], []

        def full_at_first(*args: Any, **kwargs: Any) -> Any:
            if not activations:
                activation = torch.zeros(1)
                activations.append(weakref.ref(activation))
                raise torch.OutOfMemoryError
            alive.append(activations[0]() is not None)
            return real(*args, **kwargs)

        monkeypatch.setattr(last, "forward", full_at_first)
        paint(engine)
        assert not any(alive)

    def test_a_failure_that_is_kept_keeps_no_tensor(self, engine: Qwen, monkeypatch: pytest.MonkeyPatch) -> None:
        alive = []

        def failing(*_: Any, **__: Any) -> Any:
            activation = torch.zeros(1)
            alive.append(weakref.ref(activation))
            raise ZeroDivisionError

        monkeypatch.setattr("models.qwen.engine.denoise", failing)
        with pytest.raises(ZeroDivisionError) as kept:
            paint(engine)
        assert kept.value.__traceback__ is not None
        assert alive[0]() is None

    def test_memory_that_runs_out_twice_is_an_error(self, engine: Qwen, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: Any, **__: Any) -> Any:
            raise torch.OutOfMemoryError("2 GB of 80")

        monkeypatch.setattr(engine._parts.edit.transformer.proj_out, "forward", full)
        with pytest.raises(JobError) as problem:
            paint(engine)
        assert problem.value.code is ErrorCode.OUT_OF_MEMORY
        assert not problem.value.refresh_worker
        assert not engine._lock.locked()

    def test_a_card_beyond_recovery_asks_for_a_fresh_worker(
        self, engine: Qwen, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def lost(*_: Any, **__: Any) -> Any:
            raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

        monkeypatch.setattr(engine._parts.edit.transformer.proj_out, "forward", lost)
        with pytest.raises(JobError) as problem:
            paint(engine)
        assert problem.value.refresh_worker

    @pytest.mark.parametrize("broken", [float("nan"), float("inf"), 0.0])
    def test_a_picture_of_nothing_is_tried_once_more_and_then_an_error(
        self, engine: Qwen, monkeypatch: pytest.MonkeyPatch, broken: float
    ) -> None:
        tries = []

        def nothing(*_: Any) -> Any:
            tries.append(1)
            return torch.full((96, 160, 3), broken)

        monkeypatch.setattr("models.qwen.engine.decode", nothing)
        with pytest.raises(JobError) as problem:
            paint(engine)
        assert problem.value.code is ErrorCode.GENERATION_ERROR
        assert len(tries) == 2

    def test_broken_embeddings_are_not_kept(self, engine: Qwen, monkeypatch: pytest.MonkeyPatch) -> None:
        painted = paint(engine).pixels
        engine._cache.clear()
        factors = [float("nan"), 1.0]
        monkeypatch.setattr("models.qwen.engine.embed", lambda *asked: embed(*asked) * factors.pop(0))
        assert (paint(engine).pixels == painted).mean() > 0.99, "but for the rounding of another kernel"

    def test_more_pictures_than_the_model_takes_are_refused(self, engine: Qwen) -> None:
        with pytest.raises(JobError) as problem:
            paint(engine, references=[ROOM] * 4)
        assert problem.value.code is ErrorCode.INVALID_INPUT


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"model_profile": "qwen-image-2512"}, "QWEN_IMAGE_LOCATION"),
        ({"model_profile": "qwen-image-9"}, "qwen-image-edit-2511"),
        ({}, "no GPU|needs a GPU"),
    ],
)
def test_what_cannot_be_loaded_ends_the_start_in_one_sentence(settings: dict[str, str], sentence: str) -> None:
    if not settings and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SettingsError, match=sentence):
        load_qwen(Settings(_env_file=None, **settings))
