"""The worker's loop against a misbehaving platform, with simulated time: nothing here waits for a clock."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from transport import job_loop
from transport.job_loop import AskError, JobLoop, SendError


class FakePlatform:
    """Answers requests for jobs from a script; after that a request is held open."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked = asyncio.Event()
        self.hung_up = False
        self.late: asyncio.Future[object] | None = None
        self.send_problems: list[SendError] = []
        self.sent: list[str] = []
        self.attempts = 0
        self.delivered = asyncio.Event()
        self.started = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.cancelled: list[str] = []
        self.stop: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self.held: list[str] = []

    async def take(self, count: int) -> object:
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        self.late = asyncio.get_running_loop().create_future()
        self.asked.set()
        try:
            return await self.late
        except asyncio.CancelledError:
            self.hung_up = True
            raise

    async def stops(self) -> list[str]:
        stops = await self.stop
        self.stop = asyncio.get_running_loop().create_future()
        return stops

    @contextlib.contextmanager
    def holding(self, job: dict[str, Any]) -> Iterator[None]:
        self.held.append(job["id"])
        try:
            yield
        finally:
            self.held.remove(job["id"])

    async def run(self, job: dict[str, Any]) -> dict[str, Any]:
        self.started.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled.append(job["id"])
            raise
        return {"output": job["input"]}

    async def send(self, job: dict[str, Any], result: dict[str, Any]) -> None:
        self.attempts += 1
        if self.send_problems:
            raise self.send_problems.pop(0)
        self.sent.append(job["id"])
        self.delivered.set()


def job(name: str) -> dict[str, Any]:
    return {"id": name, "input": {}}


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Yield the loop's sleeps, which take no time here."""
    taken: list[float] = []
    sleep = asyncio.sleep

    async def no_sleep(seconds: float) -> None:
        taken.append(seconds)
        await sleep(0)

    monkeypatch.setattr(job_loop.asyncio, "sleep", no_sleep)
    return taken


def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def in_time() -> None:
        async with asyncio.timeout(30):
            await scene()

    asyncio.run(in_time())


def test_a_worker_that_ends_hangs_up_its_question_for_jobs() -> None:
    async def scene() -> None:
        platform = FakePlatform()
        loop = JobLoop(platform, 1)
        running = asyncio.create_task(loop.run())
        await platform.asked.wait()
        loop.end()
        await running
        assert platform.hung_up

    play(scene)


def test_a_job_that_was_handed_out_when_the_end_was_asked_for_is_answered() -> None:
    async def scene() -> None:
        platform = FakePlatform()
        loop = JobLoop(platform, 1)
        running = asyncio.create_task(loop.run())
        await platform.asked.wait()
        loop.end()
        assert platform.late
        platform.late.set_result([job("late")])
        await running
        assert platform.sent == ["late"]

    play(scene)


def test_jobs_that_were_taken_are_finished_before_the_end() -> None:
    async def scene() -> None:
        platform = FakePlatform([job("one"), job("two")])
        platform.may_end.clear()
        loop = JobLoop(platform, 2)
        running = asyncio.create_task(loop.run())
        await platform.started.wait()
        loop.end()
        assert sorted(platform.held) == ["one", "two"]
        platform.may_end.set()
        await running
        assert sorted(platform.sent) == ["one", "two"]
        assert platform.held == []

    play(scene)


@pytest.mark.parametrize("problem", [SendError("ServerDisconnectedError"), SendError("status 500")])
def test_a_result_is_sent_again_until_the_platform_takes_it(problem: SendError, pauses: list[float]) -> None:
    async def scene() -> None:
        platform = FakePlatform(job("one"))
        platform.send_problems = [problem] * 12
        loop = JobLoop(platform, 1)
        running = asyncio.create_task(loop.run())
        await platform.delivered.wait()
        loop.end()
        await running
        assert platform.sent == ["one"]

    play(scene)
    retries = [pause for pause in pauses if pause >= job_loop.FIRST_RETRY_SECONDS and pause != job_loop.PACE_SECONDS]
    assert max(retries) == job_loop.LONGEST_RETRY_SECONDS
    assert retries == sorted(retries)


def test_a_result_that_the_platform_refuses_is_not_sent_again() -> None:
    async def scene() -> None:
        platform = FakePlatform(job("one"), job("two"))
        platform.send_problems = [SendError("status 400", is_final=True)]
        loop = JobLoop(platform, 1)
        running = asyncio.create_task(loop.run())
        await platform.delivered.wait()
        loop.end()
        await running
        assert (platform.sent, platform.attempts) == (["two"], 2)

    play(scene)


@pytest.mark.parametrize("junk", [["junk"], [[]], [None, 7, {"id": "no input"}], {"input": {}}, "HTML", 7])
def test_junk_in_place_of_jobs_is_an_error_line_and_not_the_end(
    junk: object, pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        platform = FakePlatform(junk, job("one"))
        loop = JobLoop(platform, 1)
        running = asyncio.create_task(loop.run())
        await platform.delivered.wait()
        loop.end()
        await running

    play(scene)
    assert "entries that are not jobs" in caplog.text


@pytest.mark.parametrize("nothing", [None, [], AskError("ContentTypeError"), {"input": {}}])
def test_a_question_that_brings_nothing_is_asked_at_one_pace(nothing: object, pauses: list[float]) -> None:
    async def scene() -> None:
        platform = FakePlatform(*[nothing] * 20)
        loop = JobLoop(platform, 1)
        running = asyncio.create_task(loop.run())
        await platform.asked.wait()
        loop.end()
        await running

    play(scene)
    assert len([pause for pause in pauses if pause > job_loop.PACE_SECONDS / 2]) >= 20


def test_a_stopped_job_is_cancelled_also_while_the_worker_ends() -> None:
    async def scene() -> None:
        platform = FakePlatform([job("one"), job("two")])
        platform.may_end.clear()
        loop = JobLoop(platform, 2)
        running = asyncio.create_task(loop.run())
        await platform.started.wait()
        loop.end()
        platform.stop.set_result(["one"])
        while not platform.cancelled:
            await asyncio.sleep(0)
        platform.may_end.set()
        await running
        assert (platform.cancelled, platform.sent) == (["one"], ["two"])

    play(scene)
