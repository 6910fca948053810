"""Reads the GPUs of this machine from the driver, without a CUDA context and without torch."""

from dataclasses import dataclass

import pynvml

from schemas.answers import Graphics


@dataclass(frozen=True)
class Cards:
    """The number of GPUs and the properties of the first one."""

    count: int
    first: Graphics


def graphics() -> Cards:
    """Return the GPUs that the driver reports; the count is 0 without a driver or if it fails."""
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
    except pynvml.NVMLError_NotSupported:  # the GPU shares main memory
        return Graphics(name=name)
    return Graphics(name=name, memory_total=memory.total, memory_free=memory.free)
