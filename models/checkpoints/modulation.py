"""A third of the transformer's weights turn the timestep into the modulation of its blocks, and do nothing else. For
schedules whose timesteps are known beforehand their outputs are written down, and the weights dropped."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, QwenImageTransformer2DModel
from torch import Tensor, nn

from models.checkpoints.profiles import Schedule


class NotTabulatedError(LookupError):
    """A timestep that the table was not made for."""


class Place:
    """Where in the tables all blocks of a transformer read: `row` (1) lies on the device, and compiled blocks do not
    depend on its value."""

    def __init__(self, times: list[float], device: torch.device) -> None:
        self.rows = {time: row for row, time in enumerate(times)}
        self._all = [torch.tensor([row], device=device) for row in range(len(times))]
        self.row = self._all[0]

    def turn_to(self, row: int) -> None:
        self.row = self._all[row]


class Tabulated(nn.Module):
    """In place of a block's modulation. `rows` (timesteps, batch, 6 width) is what that gave."""

    rows: Tensor

    def __init__(self, place: Place, rows: Tensor) -> None:
        super().__init__()
        self._place = place
        self.register_buffer("rows", rows, persistent=False)

    def forward(self, _time_embedding: Tensor) -> Tensor:
        return self.rows.index_select(0, self._place.row.to(self.rows.device))[0]


def fixed_timesteps(scheduler_config: dict[str, Any], schedule: Schedule) -> Tensor:
    """0 to 1000, as the scheduler gives them. ValueError where they depend on the size of the picture."""
    scheduler = FlowMatchEulerDiscreteScheduler.from_config(scheduler_config, **schedule.scheduler)
    config = scheduler.config
    if config.use_dynamic_shifting and config.base_shift != config.max_shift:
        raise ValueError("The timesteps of this schedule depend on the size of the picture: they cannot be tabulated")
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / schedule.steps, schedule.steps), mu=config.base_shift)
    timesteps: Tensor = scheduler.timesteps
    return timesteps


class Tables:
    """For `timesteps` of 0 to 1000, several schedules' if need be; any other is refused from then on."""

    @torch.no_grad()
    def __init__(self, transformer: QwenImageTransformer2DModel, timesteps: Iterable[Tensor]) -> None:
        times = sorted({_as_seen(float(time), transformer.dtype) for time in timesteps})
        self._place = transformer.timestep_tables = Place(times, transformer.img_in.weight.device)
        self._embeddings = [_embedding(transformer, time) for time in times]

    @torch.no_grad()
    def put(self, block: Any) -> int:  # diffusers does not say what its blocks are
        """In place of a block's weights, exact to the bit on the device that it is on; returns their bytes."""
        picture, words = block.img_mod, block.txt_mod
        block.img_mod = Tabulated(self._place, torch.stack([picture(each) for each in self._embeddings]))
        block.txt_mod = Tabulated(self._place, torch.stack([words(each[:1]) for each in self._embeddings]))
        return int(block.img_mod.rows.nbytes + block.txt_mod.rows.nbytes)


def rows_of(transformer: QwenImageTransformer2DModel, timesteps: Sequence[float]) -> list[int]:
    """Of the transformer's tables, for timesteps of 0 to 1000; any where it has none. Raises NotTabulatedError."""
    place = getattr(transformer, "timestep_tables", None)
    if place is None:
        return [0] * len(timesteps)
    times = [_as_seen(timestep, transformer.dtype) for timestep in timesteps]
    for time in times:
        if time not in place.rows:
            raise NotTabulatedError(f"Timestep {time:g} is none of the {len(place.rows)} that are tabulated")
    return [place.rows[time] for time in times]


def turn_to(transformer: QwenImageTransformer2DModel, row: int) -> None:
    """To be called before a forward pass: the host knows the timestep, and need not wait for the device to tell it."""
    place = getattr(transformer, "timestep_tables", None)
    if place is not None:
        place.turn_to(row)


def _as_seen(timestep: float, dtype: torch.dtype) -> float:
    """Rounded as the forward pass rounds it."""
    return float(torch.tensor(timestep).to(dtype) / 1000)


def _embedding(transformer: QwenImageTransformer2DModel, time: float) -> Tensor:
    """Of the picture, and where the checkpoint tells references apart by time (zero_cond_t), of those at time 0."""
    weight = transformer.img_in.weight
    times = [time, 0.0] if transformer.config.zero_cond_t else [time]
    embedding: Tensor = transformer.time_text_embed(
        torch.tensor(times, device=weight.device, dtype=weight.dtype), weight
    )
    return embedding
