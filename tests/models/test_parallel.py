"""Two processes on the CPU share the tokens of a picture: the engine's own way of doing it with cards."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.attention_dispatch import attention_backend

from imaging.picture import Picture, Pixels
from models import parallel, tiny
from models.build import check_sharing
from models.checkpoints.loading import load, source
from models.checkpoints.plan import Plan
from models.checkpoints.weights import CheckpointLocator
from models.engine import Control, PaintTask, Sampling
from models.qwen.conditioning import embed
from models.qwen.engine import Qwen, tuned
from models.qwen.grid import fit
from models.qwen.tuning import tune
from schemas.errors import ErrorCode, JobError
from schemas.settings import Settings, SettingsError, read_settings

ROOT = Path(__file__).parents[2]
ROUNDED = 0.001
"""Of the values, 0 to 255, at most so many may differ, by one: the order of sums is another."""

NO_HANG_SECONDS = 50
"""Less than the patience of a worker with its cards."""

ROOM = Picture(np.random.default_rng(0).integers(0, 255, (96, 160, 3), np.uint8))
TALL = Picture(np.random.default_rng(1).integers(0, 255, (128, 64, 3), np.uint8))


def task(size: tuple[int, int], *references: Picture, words: str = "a chair", **sampling: Any) -> PaintTask:
    return PaintTask(words, references, size, Sampling(**({"seed": 3} | sampling)))


TASKS = {
    "two references, guided": task((128, 160), ROOM, TALL, quality="best", steps=3, words="a chair in a corner"),
    "words alone, odd tokens": task((160, 96), words="a bed"),
    "another LoRA": task((80, 112), words="a bed", quality="balanced"),
}
LAST = task((160, 96), ROOM)


def pixels(engine: Any, asked: PaintTask, control: Control | None = None) -> Pixels:
    return engine.paint(asked, control or Control()).pixels


def assert_alike(engines: tuple[Any, Any], asked: PaintTask) -> None:
    made, expected = (pixels(engine, asked).astype(int) for engine in engines)
    apart = np.abs(made - expected)
    assert apart.max() <= 1
    assert apart.mean() < ROUNDED
    assert made.std() > 1


def crew_of(engine: Any) -> parallel.Crew:
    return engine._parts.edit.transformer.crew


SWITCHABLE = Plan("tiny", "bf16", "bf16", False, "switchable", "cuda", 0, 0)
FUSED = replace(SWITCHABLE, tabulated=True, loras="fused")


@pytest.fixture(scope="module", autouse=True)
def one_thread_each() -> Iterator[None]:
    """Processes that share a machine's few cores would wait for one another in every operation."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield
    torch.set_num_threads(threads)


def engine_of(models: Path, plan: Plan, cards: int) -> Any:
    """From files, as the qwen engine is."""
    edit = source(tiny.PROFILE, plan, "tiny/edit", CheckpointLocator(models, hub=False))
    parts = load(edit, plan, "cpu", torch.float32)
    if cards > 1:
        parts = parallel.share(parts, cards, partial(tuned, [edit], plan, None, dtype=torch.float32))
    return Qwen(parts)


@pytest.fixture(scope="module")
def alone(models: Path) -> Any:
    return engine_of(models, SWITCHABLE, 1)


@pytest.fixture(scope="module")
def shared(models: Path) -> Iterator[Any]:
    engine = engine_of(models, SWITCHABLE, 2)
    yield engine
    crew_of(engine).close()


@pytest.fixture(scope="module")
def hurried(models: Path) -> Iterator[Any]:
    """Tabulated, with a fused LoRA, and of little patience."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "PATIENCE", timedelta(seconds=3))
        engine = engine_of(models, FUSED, 2)
        yield engine
        crew_of(engine).close()


class TestThePicture:
    @pytest.mark.parametrize("name", TASKS)
    def test_it_is_that_of_one_card_within_rounding(self, shared: Any, alone: Any, name: str) -> None:
        assert_alike((shared, alone), TASKS[name])

    def test_each_works_on_its_half_of_the_tokens(self, shared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        block, seen = shared._parts.edit.transformer.transformer_blocks[0], []
        forward = block.forward

        def noting(**inputs: Any) -> Any:
            seen.append((inputs["hidden_states"].shape[1], inputs["encoder_hidden_states"].shape[1]))
            return forward(**inputs)

        monkeypatch.setattr(block, "forward", noting)
        pixels(shared, TASKS["words alone, odd tokens"])
        width, height = fit((160, 96), tiny.PROFILE.area, tiny.PROFILE.multiple).working
        words = embed(shared._parts, "a bed", []).shape[1]
        assert width * height // 256 % 2 == words % 2 == 1
        assert seen[0] == (width * height // 256 // 2 + 1, words // 2 + 1)

    def test_a_cancelled_job_leaves_no_trace_in_the_next(self, shared: Any, alone: Any) -> None:
        control = Control(report=lambda progress: control.cancelled.set() if progress.step == 1 else None)
        with pytest.raises(JobError) as stopped:
            pixels(shared, TASKS["two references, guided"], control)
        assert stopped.value.code is ErrorCode.CANCELLED
        assert_alike((shared, alone), LAST)

    def test_health_says_how_many_paint(self, shared: Any) -> None:
        assert shared.plan["context_parallel"] == 2


def broken(engine: Any, breaks: Any) -> JobError:
    """What a job ends with that is broken at its second step."""
    control = Control(report=lambda progress: breaks() if progress.step == 1 else None)
    started = time.monotonic()
    with pytest.raises(JobError) as problem:
        pixels(engine, LAST, control)
    assert time.monotonic() - started < NO_HANG_SECONDS
    return problem.value


class TestACardIsLost:
    """Never a hang: the job fails, and so does the next, until the worker is replaced. The engines are broken here,
    for good: those of other tests are used after them."""

    def test_its_helper_is_killed(self, shared: Any) -> None:
        [helper] = crew_of(shared).helpers
        for problem in (broken(shared, helper.kill), broken(shared, lambda: None)):
            assert (problem.code, problem.refresh_worker) == (ErrorCode.GENERATION_ERROR, True)

    @pytest.mark.long
    def test_its_helper_hangs(self, hurried: Any, models: Path) -> None:
        assert_alike((hurried, engine_of(models, FUSED, 1)), LAST)
        [helper] = crew_of(hurried).helpers
        problem = broken(hurried, lambda: os.kill(helper.pid, signal.SIGSTOP))
        assert (problem.code, problem.refresh_worker) == (ErrorCode.GENERATION_ERROR, True)
        assert not helper.is_alive()

    @pytest.mark.long
    def test_the_first_one_runs_out_of_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No second try at half the size: the helper is in the middle of the first."""
        engine: Any = tiny.load(cards=2)
        block = engine._parts.edit.transformer.transformer_blocks[1]
        [helper] = crew_of(engine).helpers

        def full(*_: Any, **__: Any) -> Any:
            raise torch.OutOfMemoryError

        problem = broken(engine, lambda: monkeypatch.setattr(block, "forward", full))
        assert (problem.code, problem.refresh_worker) == (ErrorCode.GENERATION_ERROR, True)
        assert not helper.is_alive()


def _full(_device: torch.device) -> Any:
    raise torch.OutOfMemoryError


@pytest.mark.long
def test_a_helper_that_does_not_come_up_ends_the_start_in_one_sentence() -> None:
    with pytest.raises(SettingsError, match="CONTEXT_PARALLEL: a card could not be made ready"):
        parallel.share(tiny.components(), 2, _full)


MAIN = """
import time
from models import tiny
from models.qwen.conditioning import embed
from models.engine import Control, PaintTask, Sampling

if __name__ == "__main__":
    engine = tiny.load(cards=2)
    [helper] = engine._parts.edit.transformer.crew.helpers
    print(helper.pid, flush=True)
    while True:
        engine.paint(PaintTask("a chair", (), (96, 96), Sampling(seed=1)), Control())
"""


@pytest.mark.long
def test_helpers_end_with_the_process_that_takes_the_jobs(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(MAIN)
    command = [sys.executable, str(tmp_path / "main.py")]
    told = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=told, text=True) as main:
        helper = int(main.stdout.readline())
        time.sleep(0.3)  # into a picture
        main.kill()
        main.wait(10)
    until = time.monotonic() + 10
    while _is_alive(helper):
        assert time.monotonic() < until
        time.sleep(0.05)


def _is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


class TestWhatDoesNotGoTogether:
    @pytest.mark.parametrize(
        ("engine", "cards", "settings", "sentence"),
        [
            ("preview", 0, {}, "the preview engine has no tokens"),
            ("qwen", 1, {}, "asks for 2 cards, and there are 1"),
            ("qwen", 2, {"device_map": "balanced"}, "DEVICE_MAP=balanced"),
            ("qwen", 2, {"compile": True}, "COMPILE"),
            ("tiny", 0, {"context_parallel": 3}, "heads for 2"),
        ],
    )
    def test_it_is_refused_in_one_sentence(
        self, engine: Any, cards: int, settings: dict[str, Any], sentence: str
    ) -> None:
        asked = Settings(_env_file=None, **({"context_parallel": 2} | settings))
        with pytest.raises(SettingsError, match=f"CONTEXT_PARALLEL: .*{sentence}"):
            check_sharing(asked, engine, cards)
        check_sharing(Settings(_env_file=None), engine, cards)

    def test_more_cards_than_the_shortest_prompt_has_tokens_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CONTEXT_PARALLEL", "5")
        with pytest.raises(SettingsError, match="CONTEXT_PARALLEL"):
            read_settings()

    def test_an_attention_for_one_card_alone(self) -> None:
        parts = tiny.components()
        with attention_backend():
            tune(parts.edit.transformer, "_native_math", compiled=False)
            with pytest.raises(SettingsError, match="_native_math works on one card alone"):
                parallel.share(parts, 2, _full)
