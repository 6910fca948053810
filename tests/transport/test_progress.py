import asyncio
from typing import Any

from transport.progress import ProgressSender


def test_only_the_newest_is_sent_one_after_the_other_and_none_after_close() -> None:
    sent: list[Any] = []
    inside = 0

    async def send(progress: dict[str, Any]) -> None:
        nonlocal inside
        inside += 1
        assert inside == 1
        await asyncio.sleep(0.02)
        sent.append(progress["step"])
        inside -= 1

    async def job() -> None:
        sender = ProgressSender(send, interval_seconds=0.05)
        for step in range(100):
            await asyncio.to_thread(sender.report, {"step": step})
            await asyncio.sleep(0.002)
        await sender.close()
        sender.report({"step": 100})
        await asyncio.sleep(0.1)

    asyncio.run(job())
    assert sent == sorted(sent)
    assert 2 <= len(sent) <= 10
    assert 100 not in sent


def test_a_platform_that_does_not_listen_does_not_harm_the_job() -> None:
    async def send(_progress: dict[str, Any]) -> None:
        raise ConnectionError("nobody there")

    async def job() -> None:
        sender = ProgressSender(send, interval_seconds=0.01)
        for step in range(3):
            sender.report({"step": step})
            await asyncio.sleep(0.02)
        await sender.close()

    asyncio.run(job())
