"""Tabulates the modulation of the transformer's blocks.

A third of the transformer's weights only map the timestep to this modulation. For schedules with fixed timesteps the
outputs are stored and the weights dropped.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, QwenImageTransformer2DModel
from torch import Tensor, nn

from models.checkpoints.profiles import Schedule


class NotTabulatedError(LookupError):
    """A timestep that is not in the tables."""


class TableCursor:
    """The row that all blocks of a transformer read. `row`, of shape (1,), is on the device, so that compiled blocks do
    not specialize on its value."""

    def __init__(self, times: list[float], device: torch.device) -> None:
        self.rows = {time: row for row, time in enumerate(times)}
        self._all = [torch.tensor([row], device=device) for row in range(len(times))]
        self.row = self._all[0]

    def turn_to(self, row: int) -> None:
        self.row = self._all[row]


class Tabulated(nn.Module):
    """Replaces a block's modulation by its outputs, `rows` of shape (timesteps, batch, 6 width)."""

    rows: Tensor

    def __init__(self, cursor: TableCursor, rows: Tensor) -> None:
        super().__init__()
        self._cursor = cursor
        self.register_buffer("rows", rows, persistent=False)

    def forward(self, _time_embedding: Tensor) -> Tensor:
        return self.rows.index_select(0, self._cursor.row.to(self.rows.device))[0]


def fixed_timesteps(scheduler_config: dict[str, Any], schedule: Schedule) -> Tensor:
    """Return the timesteps, 0 to 1000. Raises ValueError if they depend on the size of the picture."""
    scheduler = FlowMatchEulerDiscreteScheduler.from_config(scheduler_config, **schedule.scheduler)
    config = scheduler.config
    if config.use_dynamic_shifting and config.base_shift != config.max_shift:
        raise ValueError("The timesteps of this schedule depend on the size of the picture: they cannot be tabulated")
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / schedule.steps, schedule.steps), mu=config.base_shift)
    timesteps: Tensor = scheduler.timesteps
    return timesteps


class Tables:
    """Tables of `timesteps` (0 to 1000) of one or more schedules; from then on the transformer refuses other
    timesteps."""

    @torch.no_grad()
    def __init__(self, transformer: QwenImageTransformer2DModel, timesteps: Iterable[Tensor]) -> None:
        times = sorted({_as_seen(float(time), transformer.dtype) for time in timesteps})
        self._cursor = transformer.timestep_tables = TableCursor(times, transformer.img_in.weight.device)
        self._embeddings = [_embedding(transformer, time) for time in times]

    @torch.no_grad()
    def put(self, block: Any) -> int:  # diffusers does not type its blocks
        """Replace the modulation of a block by its table and return the table's size in bytes. Bit-exact if the block
        is on the device that will run it."""
        picture, words = block.img_mod, block.txt_mod
        block.img_mod = Tabulated(self._cursor, torch.stack([picture(each) for each in self._embeddings]))
        block.txt_mod = Tabulated(self._cursor, torch.stack([words(each[:1]) for each in self._embeddings]))
        return int(block.img_mod.rows.nbytes + block.txt_mod.rows.nbytes)


def rows_of(transformer: QwenImageTransformer2DModel, timesteps: Sequence[float]) -> list[int]:
    """Return the table rows of timesteps (0 to 1000); zeros without tables. Raises NotTabulatedError."""
    cursor = getattr(transformer, "timestep_tables", None)
    if cursor is None:
        return [0] * len(timesteps)
    times = [_as_seen(timestep, transformer.dtype) for timestep in timesteps]
    for time in times:
        if time not in cursor.rows:
            raise NotTabulatedError(f"Timestep {time:g} is not among the {len(cursor.rows)} tabulated ones")
    return [cursor.rows[time] for time in times]


def turn_to(transformer: QwenImageTransformer2DModel, row: int) -> None:
    """Select the table row of the next forward pass on the host, without a synchronization."""
    cursor = getattr(transformer, "timestep_tables", None)
    if cursor is not None:
        cursor.turn_to(row)


def _as_seen(timestep: float, dtype: torch.dtype) -> float:
    """Return the time as the forward pass rounds it."""
    return float(torch.tensor(timestep).to(dtype) / 1000)


def _embedding(transformer: QwenImageTransformer2DModel, time: float) -> Tensor:
    """Return the time embedding of the picture and, with zero_cond_t, of references at time 0."""
    weight = transformer.img_in.weight
    times = [time, 0.0] if transformer.config.zero_cond_t else [time]
    embedding: Tensor = transformer.time_text_embed(
        torch.tensor(times, device=weight.device, dtype=weight.dtype), weight
    )
    return embedding
