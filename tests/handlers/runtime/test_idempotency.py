import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from handlers.runtime.idempotency import IdempotencyCache
from models.engine import Control
from schemas.errors import ErrorCode, JobError

ROOM = 1000


def test_equal_jobs_run_once_also_when_many_arrive_at_the_same_time() -> None:
    once, runs, gate = IdempotencyCache(60, ROOM), [], threading.Event()

    def work() -> dict[str, int]:
        gate.wait(5)
        runs.append(1)
        return {"answer": len(runs)}

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(once.run, "key", {"a": 1}, Control(), work) for _ in range(8)]
        gate.set()
        assert {answer.result()["answer"] for answer in answers} == {1}


def test_the_order_of_the_fields_makes_no_other_body() -> None:
    once = IdempotencyCache(60, ROOM)
    once.run("key", {"a": 1, "b": 2}, Control(), lambda: {"n": 1})
    assert once.run("key", {"b": 2, "a": 1}, Control(), lambda: {"n": 2}) == {"n": 1}


def test_who_waited_for_a_job_that_failed_works_itself() -> None:
    once, started, may_fail = IdempotencyCache(60, ROOM), threading.Event(), threading.Event()

    def fails() -> dict[str, int]:
        started.set()
        may_fail.wait(5)
        raise JobError(ErrorCode.CANCELLED, "The job was cancelled")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(once.run, "key", {}, Control(), fails)
        started.wait(5)
        second = pool.submit(once.run, "key", {}, Control(), lambda: {"n": 2})
        may_fail.set()
        assert second.result(5) == {"n": 2}
        with pytest.raises(JobError):
            first.result(5)


def test_an_answer_is_forgotten_after_its_time() -> None:
    once = IdempotencyCache(0, ROOM)
    once.run("key", {}, Control(), lambda: {"n": 1})
    assert once.run("key", {"other": 1}, Control(), lambda: {"n": 2}) == {"n": 2}


def test_the_oldest_answers_make_room_when_their_pictures_fill_it() -> None:
    once = IdempotencyCache(60, 250)
    for key in "abc":
        once.run(key, {}, Control(), lambda: {"processed_image": "=" * 50, "images": [{"image": "=" * 50}]})
    once.run("d", {}, Control(), lambda: {"n": 1})
    assert once.run("a", {}, Control(), lambda: {"n": 2}) == {"n": 2}
    assert once.run("b", {}, Control(), lambda: {"n": 2}) != {"n": 2}


def test_many_small_answers_are_kept() -> None:
    once = IdempotencyCache(60, ROOM)
    for number in range(1000):
        once.run(str(number), {}, Control(), lambda: {"n": 1})
    assert once.run("0", {}, Control(), lambda: {"n": 2}) == {"n": 1}
