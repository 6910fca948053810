import pynvml
import pytest

from models.hardware import Cards, graphics
from schemas.answers import Graphics


class Driver:
    """A driver with a GPU, some of whose calls fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **failing: Exception) -> None:
        answers = {
            "nvmlInit": None, "nvmlShutdown": None, "nvmlDeviceGetCount": 1, "nvmlDeviceGetHandleByIndex": "card",
            "nvmlDeviceGetName": "H100",
        }  # fmt: skip
        for name in (*answers, "nvmlDeviceGetMemoryInfo"):
            monkeypatch.setattr(pynvml, name, self._call(answers.get(name), failing.get(name)))

    @staticmethod
    def _call(answer: object, problem: Exception | None) -> object:
        def call(*_: object) -> object:
            if problem:
                raise problem
            return answer

        return call


def test_a_card_that_is_lost_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    Driver(monkeypatch, nvmlDeviceGetHandleByIndex=pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST))
    assert graphics() == Cards(0, Graphics())


def test_a_card_without_memory_of_its_own_is_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    Driver(monkeypatch, nvmlDeviceGetMemoryInfo=pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED))
    assert graphics() == Cards(1, Graphics(name="H100"))
