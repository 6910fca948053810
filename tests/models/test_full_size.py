"""Every plan at full size on the meta device: shapes, types and devices fit, and the sizes are those of the plan.

Workspaces of libraries, fragmentation and the choice of kernels are not seen: those need a GPU, bench/on_a_card.sh.
"""

from functools import cache

import pytest

from models.checkpoints.plan import CACHE_BYTES, CARDS, Card, Plan, make_plan
from models.checkpoints.profiles import PROFILES
from schemas.settings import Precision
from testing.full_size import Rehearsal, rehearse

AGREEMENT = 0.02
"""Largest relative difference between the plan and the rehearsal."""

BY_NAME = {card.name: card for card in CARDS}
EDIT = "qwen-image-edit-2511"
PLANS: list[tuple[str, str, Precision]] = [
    (EDIT, "RTX 4090, 24 GB", "auto"),
    (EDIT, "RTX 4090, 24 GB", "nf4"),
    (EDIT, "RTX 6000 Ada, 48 GB", "auto"),
    (EDIT, "H100, 80 GB", "auto"),
    ("qwen-image-edit-2511-fp8", "RTX 4090, 24 GB", "auto"),
    ("qwen-image-2512", "H100, 80 GB", "auto"),
]
MORE_PLANS: list[tuple[str, str, Precision]] = [
    (EDIT, "RTX 4090, 24 GB", "int8"),
    (EDIT, "L40S, 48 GB", "auto"),
    ("qwen-image-2512", "RTX 4090, 24 GB", "auto"),
    ("firered-image-edit-1.1", "H100, 80 GB", "auto"),
]


@cache
def rehearsed(name: str, card: Card, plan: Plan) -> Rehearsal:
    return rehearse(PROFILES[name], plan, card)


@pytest.mark.parametrize(
    ("name", "card", "precision"), [*PLANS, *(pytest.param(*plan, marks=pytest.mark.long) for plan in MORE_PLANS)]
)
def test_a_start_and_a_picture_take_what_the_plan_says(name: str, card: str, precision: Precision) -> None:
    planned = make_plan(PROFILES[name], BY_NAME[card], precision)
    counted = rehearsed(name, BY_NAME[card], planned)
    assert counted.resident == pytest.approx(planned.resident, rel=AGREEMENT)
    assert counted.peak == pytest.approx(planned.peak - CACHE_BYTES, rel=AGREEMENT)
    if planned.is_waiting and planned.loras != "merged":  # its file is mapped, which is not counted
        assert counted.host == pytest.approx(planned.host, rel=AGREEMENT)
    assert counted.syncs == 0, "nothing in a picture waits for the GPU"


def test_an_edit_takes_the_operations_that_the_formula_says() -> None:
    """Four steps of 202 TFLOP, and the VAE."""
    card: Card = BY_NAME["H100, 80 GB"]
    counted = rehearsed(EDIT, card, make_plan(PROFILES[EDIT], card))
    assert counted.flops == pytest.approx(4 * 202.8e12, rel=0.03)
