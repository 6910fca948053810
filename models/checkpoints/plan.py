"""From a card and a checkpoint to a plan: what is loaded in which precision, and what that takes.

`python -m models.checkpoints.plan` prints it for every profile and common card.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from models.checkpoints.profiles import PROFILES, Profile
from models.checkpoints.sizes import Sizes, sizes
from schemas.jobs import Quality
from schemas.settings import DeviceMap, Precision, Qualities, SettingsError

GB = 10**9
USABLE = 0.94
"""Of a card's memory: the rest is the driver's, the context's and fragmentation's."""

BYTES: dict[str, float] = {"bf16": 2, "fp8": 1, "int8": 1, "nf4": 0.5 + 1 / 16}
"""A parameter's; nf4 with a scale in 32 bits for every 64."""

LORA_PARAMETERS = 64 * 60 * (8 * (3072 + 3072) + 4 * (3072 + 12288))
"""Of a published few-step LoRA: rank 64 on 12 linear layers a block."""

DENOISING_BYTES_A_TOKEN = 20 * 3072 * 2
"""A block's states, its MLP of four times the width and the attention's three inputs, in bf16."""

DECODING_BYTES_A_PIXEL = 1400
"""Of the VAE's widest layers at full resolution, counted on the meta device."""

CACHE_BYTES = 512 * 1024 * 1024
"""Of embeddings and latents that may come again."""

FEW_STEPS = 4

ADA = (8, 9)
"""CUDA's capability of the first cards that multiply fp8; older ones widen the weights, and int8 are nearer."""

EIGHT_BITS = ("fp8", "int8")

Loras = Literal["fused", "switchable"]


@dataclass(frozen=True)
class Card:
    """One graphics card; `capability` is CUDA's, as (9, 0)."""

    name: str
    memory: int
    capability: tuple[int, int]
    count: int = 1


@dataclass(frozen=True)
class Plan:
    """`resident` and `peak` are bytes; the peak is an estimate for a 1024x1024 edit with two references."""

    profile: str
    transformer: str
    text_encoder: str
    tabulated: bool
    loras: Loras
    device_map: DeviceMap
    resident: int
    peak: int

    @property
    def is_waiting(self) -> bool:
        """Whether the transformer waits in main memory, and comes to the card block by block, each made smaller."""
        return self.tabulated or self.transformer in EIGHT_BITS

    @property
    def qualities(self) -> tuple[Quality, ...]:
        return ("fast",) if self.loras == "fused" else ("fast", "balanced", "best")

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"qualities": list(self.qualities)}

    def __str__(self) -> str:
        table = ", modulation tabulated" if self.tabulated else ""
        return (
            f"{self.profile}: transformer {self.transformer}{table}, text encoder {self.text_encoder}, "
            f"LoRAs {self.loras}, {self.resident / GB:.1f} GB resident, about {self.peak / GB:.1f} GB at the peak"
        )


def make_plan(
    profile: Profile,
    card: Card,
    precision: Precision = "auto",
    device_map: DeviceMap = "cuda",
    transformers: int = 1,
    qualities: Qualities = "all",
) -> Plan:
    """The most exact plan that fits, and of those the one that serves most, or with the qualities `fast` the fastest;
    `transformers` is 2 with a text-to-image checkpoint beside the edit one. SettingsError, with the numbers, where none
    fits."""
    room = int(card.memory * USABLE) * (card.count if device_map == "balanced" else 1)
    plans = list(_plans(profile, _precisions(precision, card, device_map), device_map, transformers, qualities))
    if not plans:
        raise SettingsError(f"QUALITIES: fast fuses a LoRA, and {precision} weights take none")
    fitting = [plan for plan in plans if plan.peak <= room]
    if not fitting:
        least = min(plans, key=lambda plan: plan.peak)
        raise SettingsError(
            f"PRECISION: {profile.name} needs {least.peak / GB:.1f} GB of GPU memory with precision {precision}, "
            f"of which {card.name} has {room / GB:.1f} GB to give"
        )
    return fitting[0]


def _plans(
    profile: Profile,
    precisions: list[tuple[str, str]],
    device_map: DeviceMap,
    transformers: int,
    qualities: Qualities,
) -> Iterator[Plan]:
    """From the most exact to the smallest."""
    for transformer, text_encoder in precisions:
        for tabulated, loras in _savings(transformer, device_map, qualities):
            resident = _resident(sizes(), transformer, text_encoder, tabulated, loras, transformers)
            peak = resident + _working(profile)
            yield Plan(profile.name, transformer, text_encoder, tabulated, loras, device_map, resident, peak)


def _precisions(precision: Precision, card: Card, device_map: DeviceMap) -> list[tuple[str, str]]:
    """Of the transformer and the text encoder. Eight bits are made block by block, on one card."""
    if device_map == "balanced" and precision in EIGHT_BITS:
        raise SettingsError(f"PRECISION: {precision} is made on one card; DEVICE_MAP=balanced takes bf16 or nf4")
    if precision == "auto":
        eight = "fp8" if card.capability >= ADA else "int8"
        between = [(eight, "bf16"), (eight, "nf4")] if device_map == "cuda" else [("bf16", "nf4")]
        return [("bf16", "bf16"), *between, ("nf4", "nf4")]
    return [(precision, "bf16"), (precision, "nf4")] if precision in EIGHT_BITS else [(precision, precision)]


def _savings(transformer: str, device_map: DeviceMap, qualities: Qualities) -> list[tuple[bool, Loras]]:
    """A LoRA is fused before eight bits and never into nf4; what is tabulated serves one schedule. A modulation in
    eight bits would be widened for a row or two at every step: it is always tabulated."""
    if transformer in EIGHT_BITS:
        return [(True, "fused")]
    switchable: list[tuple[bool, Loras]] = [(False, "switchable")] if qualities == "all" else []
    if transformer == "nf4":
        return switchable
    tabulated: list[tuple[bool, Loras]] = [(True, "fused")] if device_map == "cuda" else []
    return [*switchable, (False, "fused"), *tabulated]


def _resident(
    parts: Sizes, transformer: str, text_encoder: str, tabulated: bool, loras: Loras, transformers: int
) -> int:
    rest = parts.transformer - parts.blocks - parts.modulation
    each = parts.blocks * BYTES[transformer] + rest * 2
    each += 0 if tabulated else parts.modulation * BYTES[transformer]
    each += 2 * LORA_PARAMETERS * 2 if loras == "switchable" else 0
    words = parts.words * (2 - BYTES[text_encoder])
    return int(each * transformers + parts.text_encoder * BYTES[text_encoder] + words + parts.vae * 2)


def _working(profile: Profile) -> int:
    """Denoising and decoding do not happen at the same time."""
    tokens = (2 * profile.area + profile.product_area) // 256 + 1024
    return CACHE_BYTES + max(tokens * DENOISING_BYTES_A_TOKEN, profile.area * DECODING_BYTES_A_PIXEL)


MIB = 2**20

CARDS = (
    Card("RTX 4090, 24 GB", 24_564 * MIB, (8, 9)),
    Card("RTX 5090, 32 GB", 32_607 * MIB, (12, 0)),
    Card("L40S, 48 GB", 46_068 * MIB, (8, 9)),
    Card("RTX 6000 Ada, 48 GB", 49_140 * MIB, (8, 9)),
    Card("H100, 80 GB", 81_559 * MIB, (9, 0)),
    Card("H200, 141 GB", 143_771 * MIB, (9, 0)),
)
"""With the memory that their drivers report."""


def main() -> None:
    count = sizes()
    print(f"transformer {count.transformer:,} parameters, of which modulation {count.modulation:,}")  # noqa: T201
    table = count.modulation // 3072 * 3 // 2 * 2 * FEW_STEPS
    print(f"tables of {FEW_STEPS} timesteps in place of the modulation: {table / 1e6:.1f} MB in bf16")  # noqa: T201
    print(f"text encoder {count.text_encoder:,}, VAE {count.vae:,}")  # noqa: T201
    for profile in PROFILES.values():
        for card in CARDS:
            print(f"{card.name:19} {make_plan(profile, card)}")  # noqa: T201


if __name__ == "__main__":
    main()
