"""The bench that waits for a GPU, at tiny size: it must not fail on the day it gets one."""

import pytest

from bench.gpu import EDIT, GENERATE, one_job, tiny_size
from models.checkpoints.plan import Plan
from models.checkpoints.profiles import PROFILES

PROFILE = PROFILES["qwen-image-edit-2511"]
PLANS = [
    Plan("tiny", "bf16", "bf16", False, "switchable", "cuda", 0, 0),
    Plan("tiny", "bf16", "bf16", False, "fused", "cuda", 0, 0),
    Plan("tiny", "fp8", "bf16", True, "fused", "cuda", 0, 0),
]


@pytest.mark.parametrize("plan", PLANS, ids=str)
@pytest.mark.parametrize("job", [EDIT, GENERATE])
def test_each_plan_is_built_and_timed(plan: Plan, job: str) -> None:
    parts = tiny_size(PROFILE, plan)
    assert parts.edit.steps == (frozenset({4}) if plan.tabulated else frozenset())
    assert bool(parts.edit.adapters) == (plan.loras == "switchable")
    assert one_job(parts, job, on_gpu=False)["total_s"] > 0


def test_four_bits_are_built_and_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bitsandbytes.nn.modules.has_avx512bf16", lambda: False)
    parts = tiny_size(PROFILE, Plan("tiny", "nf4", "nf4", False, "switchable", "cuda", 0, 0))
    assert one_job(parts, EDIT, on_gpu=False)["total_s"] > 0
