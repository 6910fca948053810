"""The graphics cards of this machine, asked of the driver: no CUDA context, no torch."""

from dataclasses import dataclass
from typing import Any

import pynvml


@dataclass(frozen=True)
class Graphics:
    count: int
    name: str | None = None
    memory_total: int | None = None
    memory_free: int | None = None
    """Bytes of the first card."""

    def as_json(self) -> dict[str, Any]:
        if not self.count:
            return {}
        return {"name": self.name, "memory_total": self.memory_total, "memory_free": self.memory_free}


def graphics() -> Graphics:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:  # no driver, no card
        return Graphics(0)
    try:
        return _first_card()
    finally:
        pynvml.nvmlShutdown()


def _first_card() -> Graphics:
    count = pynvml.nvmlDeviceGetCount()
    if not count:
        return Graphics(0)
    card = pynvml.nvmlDeviceGetHandleByIndex(0)
    memory = pynvml.nvmlDeviceGetMemoryInfo(card)
    return Graphics(count, pynvml.nvmlDeviceGetName(card), memory.total, memory.free)
