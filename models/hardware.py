"""The graphics cards of this machine, asked of the driver: no CUDA context, no torch."""

from dataclasses import dataclass

import pynvml

from schemas.answers import Graphics


@dataclass(frozen=True)
class Cards:
    count: int
    first: Graphics


def graphics() -> Cards:
    """None where there is no driver, or where it has lost them."""
    try:
        pynvml.nvmlInit()
        try:
            count = pynvml.nvmlDeviceGetCount()
            return Cards(count, _first() if count else Graphics())
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return Cards(0, Graphics())


def _first() -> Graphics:
    card = pynvml.nvmlDeviceGetHandleByIndex(0)
    name = pynvml.nvmlDeviceGetName(card)
    try:
        memory = pynvml.nvmlDeviceGetMemoryInfo(card)
    except pynvml.NVMLError_NotSupported:  # it shares the machine's
        return Graphics(name=name)
    return Graphics(name=name, memory_total=memory.total, memory_free=memory.free)
