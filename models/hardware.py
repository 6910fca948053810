"""The graphics cards of this machine, asked of the driver: no CUDA context, no torch."""

from dataclasses import dataclass

import pynvml

from schemas.answers import Graphics


@dataclass(frozen=True)
class Cards:
    count: int
    first: Graphics


def graphics() -> Cards:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:  # no driver, no card
        return Cards(0, Graphics())
    try:
        return _cards()
    finally:
        pynvml.nvmlShutdown()


def _cards() -> Cards:
    count = pynvml.nvmlDeviceGetCount()
    if not count:
        return Cards(0, Graphics())
    card = pynvml.nvmlDeviceGetHandleByIndex(0)
    memory = pynvml.nvmlDeviceGetMemoryInfo(card)
    name = pynvml.nvmlDeviceGetName(card)
    return Cards(count, Graphics(name=name, memory_total=memory.total, memory_free=memory.free))
