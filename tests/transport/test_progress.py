import asyncio
from typing import Any

from testing.patience import WAIT_SECONDS
from transport.progress import ProgressSender


def test_only_the_newest_is_sent_one_after_the_other_and_none_after_close() -> None:
    sent: list[int] = []

    async def job() -> None:
        begun, may_end = asyncio.Semaphore(0), asyncio.Semaphore(0)

        async def send(progress: dict[str, Any]) -> None:
            sent.append(progress["step"])
            begun.release()
            await may_end.acquire()

        sender = ProgressSender(send, interval_seconds=0)
        sender.report({"step": 0})
        await begun.acquire()
        for step in range(1, 100):
            await asyncio.to_thread(sender.report, {"step": step})
        assert sent == [0], "one at a time"
        may_end.release()
        await begun.acquire()
        may_end.release()
        await sender.close()
        sender.report({"step": 100})
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}, "nobody is left to send it"

    asyncio.run(job())
    assert sent == [0, 99]


def test_between_two_messages_there_is_a_pause() -> None:
    sent: list[int] = []

    async def send(progress: dict[str, Any]) -> None:
        sent.append(progress["step"])

    async def job() -> None:
        sender = ProgressSender(send, interval_seconds=WAIT_SECONDS)
        for step in range(20):
            await asyncio.to_thread(sender.report, {"step": step})
        await sender.close()

    asyncio.run(job())
    assert len(sent) <= 1


def test_a_platform_that_does_not_listen_does_not_harm_the_job() -> None:
    async def job() -> None:
        tries = asyncio.Semaphore(0)

        async def send(_progress: dict[str, Any]) -> None:
            tries.release()
            raise ConnectionError("nobody there")

        sender = ProgressSender(send, interval_seconds=0)
        for step in range(3):
            sender.report({"step": step})
            await tries.acquire()
        await sender.close()

    asyncio.run(job())
