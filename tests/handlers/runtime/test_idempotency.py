import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from handlers.runtime.idempotency import OVERHEAD_BYTES, IdempotencyCache
from models.engine import Control
from schemas.errors import ErrorCode, JobError
from testing.patience import WAIT_SECONDS

ROOM = 10_000_000


def test_equal_jobs_run_once_also_when_many_arrive_at_the_same_time() -> None:
    idempotency, runs, gate = IdempotencyCache(60, ROOM), [], threading.Event()

    def work() -> dict[str, int]:
        gate.wait(WAIT_SECONDS)
        runs.append(1)
        return {"answer": len(runs)}

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(idempotency.run, "key", {"a": 1}, Control(), work) for _ in range(8)]
        gate.set()
        assert {answer.result()["answer"] for answer in answers} == {1}


def test_the_order_of_the_fields_makes_no_other_body() -> None:
    idempotency = IdempotencyCache(60, ROOM)
    idempotency.run("key", {"a": 1, "b": 2}, Control(), lambda: {"n": 1})
    assert idempotency.run("key", {"b": 2, "a": 1}, Control(), lambda: {"n": 2}) == {"n": 1}


def test_another_body_under_the_key_is_another_job_and_the_first_is_kept() -> None:
    idempotency = IdempotencyCache(60, ROOM)
    idempotency.run("key", {"a": 1}, Control(), lambda: {"n": 1})
    assert idempotency.run("key", {"a": 2}, Control(), lambda: {"n": 2}) == {"n": 2}
    assert idempotency.run("key", {"a": 1}, Control(), lambda: {"n": 3}) == {"n": 1}


def test_callers_do_not_get_each_others_answers() -> None:
    idempotency = IdempotencyCache(60, ROOM)
    idempotency.run("key", {}, Control(), lambda: {"n": 1}, caller="one")
    assert idempotency.run("key", {}, Control(), lambda: {"n": 2}, caller="other") == {"n": 2}
    assert idempotency.run("key", {}, Control(), lambda: {"n": 3}, caller="one") == {"n": 1}


def test_another_body_does_not_wait_for_the_job_under_its_key() -> None:
    idempotency, started, may_end = IdempotencyCache(60, ROOM), threading.Event(), threading.Event()

    def slow() -> dict[str, int]:
        started.set()
        may_end.wait(WAIT_SECONDS)
        return {"n": 1}

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(idempotency.run, "key", {"a": 1}, Control(), slow)
        started.wait(WAIT_SECONDS)
        assert idempotency.run("key", {"a": 2}, Control(), lambda: {"n": 2}) == {"n": 2}
        assert not first.done()
        may_end.set()


def test_who_waited_for_a_job_that_failed_works_itself() -> None:
    idempotency, started, may_fail = IdempotencyCache(60, ROOM), threading.Event(), threading.Event()

    def fails() -> dict[str, int]:
        started.set()
        may_fail.wait(WAIT_SECONDS)
        raise JobError(ErrorCode.CANCELLED, "The job was cancelled")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(idempotency.run, "key", {}, Control(), fails)
        started.wait(WAIT_SECONDS)
        second = pool.submit(idempotency.run, "key", {}, Control(), lambda: {"n": 2})
        may_fail.set()
        assert second.result(WAIT_SECONDS) == {"n": 2}
        with pytest.raises(JobError):
            first.result(WAIT_SECONDS)


def test_an_answer_is_forgotten_after_its_time() -> None:
    idempotency = IdempotencyCache(0, ROOM)
    idempotency.run("key", {}, Control(), lambda: {"n": 1})
    assert idempotency.run("key", {}, Control(), lambda: {"n": 2}) == {"n": 2}


def test_the_oldest_answers_make_room_when_their_pictures_fill_it() -> None:
    idempotency = IdempotencyCache(60, 2 * (OVERHEAD_BYTES + 100))
    for key in "abc":
        idempotency.run(key, {}, Control(), lambda: {"processed_image": "=" * 50, "images": [{"image": "=" * 50}]})
    assert idempotency.run("b", {}, Control(), lambda: {"n": 2}) != {"n": 2}
    assert idempotency.run("a", {}, Control(), lambda: {"n": 2}) == {"n": 2}


def test_an_answer_larger_than_the_cache_is_not_kept() -> None:
    idempotency = IdempotencyCache(60, OVERHEAD_BYTES)
    assert idempotency.run("a", {}, Control(), lambda: {"text": "="}) == {"text": "="}
    assert idempotency.run("a", {}, Control(), lambda: {"n": 2}) == {"n": 2}


def test_many_small_answers_are_kept() -> None:
    idempotency = IdempotencyCache(60, ROOM)
    for number in range(1000):
        idempotency.run(str(number), {}, Control(), lambda: {"n": 1})
    assert idempotency.run("0", {}, Control(), lambda: {"n": 2}) == {"n": 1}
