"""Callers of two Ray Serve replicas, one of which is killed while it works, and the outcomes of their requests."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx2

from deploy.ray_options import Options
from testing.pictures import as_base64, file_of, plain_room, red_vase

APP, DEPLOYMENT, TITLE = "default", "Replica", b"ray::ServeReplica:default:"
REPLICAS = 2
OPTIONS = Options(min_replicas=REPLICAS, max_replicas=REPLICAS, num_gpus=0)
PLACES = 8
"""Number of different jobs whose answers are recorded before the load begins."""

LOOK_SECONDS = 0.05
RECOVERY_SECONDS = 120.0


@dataclass(frozen=True)
class Sent:
    place: int
    began: float
    seconds: float
    status: int
    """HTTP status, or 0 if the connection broke."""
    is_right: bool
    tries: int


@dataclass
class Run:
    """Outcomes of all callers' requests; times are `time.monotonic` seconds."""

    sent: list[Sent] = field(default_factory=list)
    killed: float = 0.0
    recovered: float = 0.0

    def told(self) -> dict[str, Any]:
        lost = [one for one in self.sent if one.status != 200]
        return {
            "sent": len(self.sent),
            "answered": len(self.sent) - len(lost),
            "lost": len(lost),
            "lost_not_under_way_at_the_kill": sum(not self._was_under_way(one) for one in lost),
            "lost_at_most": OPTIONS.max_ongoing_requests,
            "lost_statuses": sorted({one.status for one in lost}),
            "sent_again": sum(one.tries > 1 for one in self.sent),
            "wrong": sum(one.status == 200 and not one.is_right for one in self.sent),
            "seconds_to_two_replicas": round(self.recovered - self.killed, 2),
            "waits": {name: _waits(part) for name, part in self._parts().items()},
        }

    def _was_under_way(self, one: Sent) -> bool:
        return one.began <= self.killed <= one.began + one.seconds

    def _parts(self) -> dict[str, list[Sent]]:
        """Split the requests by the phase in which they were answered."""
        answered = [one for one in self.sent if one.status == 200]
        ends = [(one.began + one.seconds, one) for one in answered]
        return {
            "before": [one for end, one in ends if end < self.killed],
            "during": [one for end, one in ends if self.killed <= end < self.recovered],
            "after": [one for end, one in ends if end >= self.recovered],
        }


def _waits(part: list[Sent]) -> dict[str, float | int | None]:
    seconds = [one.seconds for one in part]
    enough = len(seconds) > 1
    return {
        "answers": len(seconds),
        "p50": round(median(seconds), 3) if enough else None,
        "p95": round(quantiles(seconds, n=20)[18], 3) if enough else None,
    }


def job(place: int) -> dict[str, Any]:
    """Return a job whose picture differs from every other job's by its seed and the product's position."""
    return {
        "product_image": as_base64(file_of(red_vase())),
        "room_image": as_base64(file_of(plain_room())),
        "placement_coordinates": [40 + 10 * place, 100],
        "product_scale": 0.4,
        "seed": place,
    }


@dataclass
class Callers:
    url: str
    again: bool
    """True if lost requests are sent once more under the same idempotency key."""
    known: dict[int, str]
    run: Run = field(default_factory=Run)

    async def call(self, number: int, until: float) -> None:
        async with httpx2.AsyncClient(timeout=120) as client:
            turn = 0
            while time.monotonic() < until:
                await self._send(client, f"{number}-{turn}", (number + turn) % PLACES)
                turn += 1

    async def _send(self, client: httpx2.AsyncClient, key: str, place: int) -> None:
        began = time.monotonic()
        body = job(place) | {"idempotency_key": f"{self.again}-{key}"}
        status, picture, tries = 0, "", 0
        while status != 200 and tries <= int(self.again):
            tries += 1
            with suppress(httpx2.TransportError):
                answer = await client.post(f"{self.url}/v1/edit", json=body)
                status = answer.status_code
                picture = answer.json()["processed_image"] if status == 200 else ""
        seconds = time.monotonic() - began
        self.run.sent.append(Sent(place, began, seconds, status, picture == self.known[place], tries))


def replicas(title: bytes = TITLE) -> set[int]:
    """Return the process ids of the replicas in this process's own cluster."""
    mine = f"RAY_LOAD={os.getpid()}".encode()
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or belongs to another user
            if (process / "cmdline").read_bytes().startswith(title) and mine in (process / "environ").read_bytes():
                found.add(int(process.name))
    return found


def two_run() -> bool:
    """Return True once Ray sends requests to two replicas; it takes a moment to notice that one is gone."""
    from ray import serve

    states = serve.status().applications[APP].deployments[DEPLOYMENT].replica_states
    return states.get("RUNNING", 0) == REPLICAS


def kill_one_and_wait(run: Run, after: float, are_two: Callable[[], bool]) -> None:
    time.sleep(after)
    victim = min(replicas())
    run.killed = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    while victim in (alive := replicas()) or len(alive) < REPLICAS or not are_two():
        if time.monotonic() > run.killed + RECOVERY_SECONDS:
            raise TimeoutError(f"no second replica in {RECOVERY_SECONDS:.0f} s")
        time.sleep(LOOK_SECONDS)
    run.recovered = time.monotonic()


@dataclass(frozen=True)
class Load:
    url: str
    known: dict[int, str]
    """The answers of all jobs."""
    callers: int
    seconds: float
    kill_after: float
    are_two: Callable[[], bool] = two_run

    async def run(self, *, again: bool) -> Run:
        callers = Callers(self.url, again, self.known)
        until = time.monotonic() + self.seconds
        killing = asyncio.create_task(asyncio.to_thread(kill_one_and_wait, callers.run, self.kill_after, self.are_two))
        await asyncio.gather(*(callers.call(number, until) for number in range(self.callers)))
        await killing
        return callers.run


def answers(url: str) -> dict[int, str]:
    """Return the answer of every job, requested before anything is killed."""
    return {
        place: httpx2.post(f"{url}/v1/edit", json=job(place), timeout=120).raise_for_status().json()["processed_image"]
        for place in range(PLACES)
    }
