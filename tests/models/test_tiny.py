import torch

from models import tiny


def test_tiny_components_are_the_same_each_time_and_leave_the_random_state_alone() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first, second = tiny.components(), tiny.components()
    assert torch.equal(before, torch.random.get_rng_state())
    for a, b in zip(first.edit.transformer.parameters(), second.edit.transformer.parameters(), strict=True):
        assert torch.equal(a, b)
