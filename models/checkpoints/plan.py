"""Plans what a GPU loads: the precision of each part of a checkpoint, and the memory it takes.

`python -m models.checkpoints.plan` prints the plans of every profile on common GPUs.
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
"""Share of a GPU's memory to plan with; the rest is for the driver, the CUDA context and fragmentation."""

BYTES: dict[str, float] = {"bf16": 2, "fp8": 1, "int8": 1, "nf4": 0.5 + 1 / 16}
"""Bytes per parameter; nf4 has a 32-bit scale for every 64 parameters."""

LORA_PARAMETERS = 64 * 60 * (8 * (3072 + 3072) + 4 * (3072 + 12288))
"""Parameters of a published few-step LoRA: rank 64 on 12 linear layers of each of the 60 blocks."""

DENOISING_BYTES_A_TOKEN = 20 * 3072 * 2
"""Working memory of a block: its states, an MLP of four times the width and the inputs of the attention, in bf16."""

DECODING_BYTES_A_PIXEL = 1400
"""Working memory of the VAE's widest layers at full resolution, counted on the meta device."""

CACHE_BYTES = 64 * 1024 * 1024
"""Limit of the cache of embeddings and latents: a one-megapixel edit adds about 5 MB. A card that reports 23,034 MiB
has no room for more next to a vision tower in bf16."""

FEW_STEPS = 4

ADA = (8, 9)
"""CUDA capability of the first GPUs with fp8 products; older ones widen the weights, for which int8 is more exact."""

EIGHT_BITS = ("fp8", "int8")

Loras = Literal["fused", "reversible", "switchable", "merged", "none"]
"""Ways of holding few-step LoRAs:

- fused: one, as part of the weights.
- reversible: one is part of the weights, and the other qualities subtract it.
- switchable: all are separate from the weights.
- merged: one, in the published file.
- none: the profile has none.
"""


@dataclass(frozen=True)
class Card:
    """One GPU. `memory` is in bytes; `capability` is CUDA's, such as (9, 0)."""

    name: str
    memory: int
    capability: tuple[int, int]
    count: int = 1


@dataclass(frozen=True)
class Plan:
    """A plan for loading a checkpoint.

    `resident` and `peak` are bytes of GPU memory; the peak is estimated for an edit of 1024x1024 with two references.
    `host` is the main memory that the weights occupy while loading, mapped from their files; `disk` is the size of the
    files.
    """

    profile: str
    transformer: str
    text_encoder: str
    tabulated: bool
    loras: Loras
    device_map: DeviceMap
    resident: int
    peak: int
    host: int = 0
    disk: int = 0

    @property
    def is_waiting(self) -> bool:
        """True if the transformer waits in main memory and moves to the GPU block by block, each one shrunk first."""
        return self.tabulated or (self.transformer in EIGHT_BITS and self.loras != "merged")

    @property
    def qualities(self) -> tuple[Quality, ...]:
        return ("fast",) if self.loras in ("fused", "merged") else ("fast", "balanced", "best")

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"qualities": list(self.qualities)}

    def __str__(self) -> str:
        table = ", modulation tabulated" if self.tabulated else ""
        return (
            f"{self.profile}: transformer {self.transformer}{table}, text encoder {self.text_encoder}, "
            f"LoRAs {self.loras}, {self.resident / GB:.1f} GB resident, about {self.peak / GB:.1f} GB at the peak, "
            f"{self.host / GB:.1f} GB of main memory while loading, {self.disk / GB:.1f} GB on disk"
        )


def make_plan(
    profile: Profile,
    card: Card,
    precision: Precision = "auto",
    device_map: DeviceMap = "cuda",
    transformers: int = 1,
    qualities: Qualities = "all",
) -> Plan:
    """Return the most exact plan that fits, and among equals the one that serves most qualities.

    With the qualities `fast` it is the fastest one. `transformers` is 2 with an additional text-to-image checkpoint.
    Raises SettingsError with the sizes if none fits.
    """
    room = int(card.memory * USABLE) * (card.count if device_map == "balanced" else 1)
    plans = list(
        _plans(profile, _precisions(profile, precision, card, device_map), device_map, transformers, qualities)
    )
    if not plans:
        raise SettingsError(f"QUALITIES: fast needs a LoRA in the weights, which {precision} weights cannot take")
    fitting = [plan for plan in plans if plan.peak <= room]
    if not fitting:
        least = min(plans, key=lambda plan: plan.peak)
        raise SettingsError(
            f"PRECISION: {profile.name} needs {least.peak / GB:.1f} GB of GPU memory with precision {precision}, "
            f"but {card.name} has only {room / GB:.1f} GB available"
        )
    return fitting[0]


def _plans(
    profile: Profile,
    precisions: list[tuple[str, str]],
    device_map: DeviceMap,
    transformers: int,
    qualities: Qualities,
) -> Iterator[Plan]:
    """Yield plans from the most exact to the smallest."""
    for transformer, text_encoder in precisions:
        for tabulated, loras in _savings(profile, transformer, device_map, qualities):
            resident = _resident(sizes(), transformer, text_encoder, tabulated, loras, transformers)
            plan = Plan(profile.name, transformer, text_encoder, tabulated, loras, device_map, resident, 0)
            yield Plan(**vars(plan) | {"peak": resident + _working(profile), **_outside(plan, transformers)})


def _precisions(profile: Profile, precision: Precision, card: Card, device_map: DeviceMap) -> list[tuple[str, str]]:
    """Return the precisions of the transformer and the text encoder to consider. Eight-bit weights are made on one
    GPU."""
    if device_map == "balanced" and (precision in EIGHT_BITS or profile.transformer_file):
        raise SettingsError(
            "PRECISION: eight-bit weights need a single GPU; DEVICE_MAP=balanced works with bf16 or nf4"
        )
    if profile.transformer_file:
        if precision not in ("auto", "fp8"):
            raise SettingsError(
                f"PRECISION: the files of {profile.name} are fp8 and cannot be converted to {precision}"
            )
        return [("fp8", "bf16"), ("fp8", "nf4")]
    if precision == "auto":
        eight = "fp8" if card.capability >= ADA else "int8"
        between = [(eight, "bf16"), (eight, "nf4")] if device_map == "cuda" else [("bf16", "nf4")]
        return [("bf16", "bf16"), *between, ("nf4", "nf4")]
    return [(precision, "bf16"), (precision, "nf4")] if precision in EIGHT_BITS else [(precision, precision)]


def _savings(
    profile: Profile, transformer: str, device_map: DeviceMap, qualities: Qualities
) -> list[tuple[bool, Loras]]:
    """Return the pairs (tabulated, LoRAs) to consider.

    A LoRA is fused before quantization to eight bits and never into nf4. Only the fixed timesteps of a few-step
    schedule are tabulated; with eight bits the modulation is always tabulated if possible.
    """
    if profile.transformer_file:
        return [(True, "merged")]
    if profile.schedules["fast"].lora is None:
        return [(False, "none")]
    if transformer in EIGHT_BITS:
        return [(True, "fused")]
    if transformer == "nf4":
        return [(False, "switchable")] if qualities == "all" else []
    every: list[tuple[bool, Loras]] = [(False, "reversible")] if qualities == "all" else []
    tabulated: list[tuple[bool, Loras]] = [(True, "fused")] if device_map == "cuda" else []
    return [*every, (False, "fused"), *tabulated]


def _resident(
    parts: Sizes, transformer: str, text_encoder: str, tabulated: bool, loras: Loras, transformers: int
) -> int:
    """Return the bytes of the weights. The small layers around the blocks, the modulation with eight bits, and the
    language model's vision tower and token embeddings stay in bf16."""
    modulation = 0.0 if tabulated else parts.modulation * (BYTES["nf4"] if transformer == "nf4" else 2)
    each = parts.blocks * BYTES[transformer] + parts.ends * 2 + modulation
    each += 2 * LORA_PARAMETERS * 2 if loras in ("switchable", "reversible") else 0
    whole = parts.words + parts.visual
    language = whole * 2 + (parts.text_encoder - whole) * BYTES[text_encoder]
    return int(each * transformers + language + parts.vae * 2)


def _working(profile: Profile) -> int:
    """Return the bytes needed on top of the weights. Denoising and decoding do not happen at the same time."""
    tokens = (2 * profile.area + profile.product_area) // 256 + 1024
    working = max(tokens * DENOISING_BYTES_A_TOKEN, profile.area * DECODING_BYTES_A_PIXEL)
    return CACHE_BYTES + working


def _outside(plan: Plan, transformers: int) -> dict[str, int]:
    """Return the main memory that weights occupy while they are moved to the GPU, and the size of the files."""
    parts = sizes()
    stored = parts.transformer * (1 if plan.loras == "merged" else 2)
    rest = (parts.text_encoder + parts.vae) * 2
    loras = {"fused": 1, "reversible": 2, "switchable": 2}.get(plan.loras, 0) * LORA_PARAMETERS * 2
    # With a waiting transformer a LoRA is in memory twice, as its file and as the adapter; otherwise one at a time.
    waiting = stored + 2 * loras if plan.is_waiting else min(loras, LORA_PARAMETERS * 2)
    return {"host": waiting, "disk": transformers * (stored + loras) + rest}


MIB = 2**20

CARDS = (
    Card("RTX 4090, 24 GB", 24_564 * MIB, (8, 9)),
    Card("RTX 5090, 32 GB", 32_607 * MIB, (12, 0)),
    Card("L40S, 48 GB", 46_068 * MIB, (8, 9)),
    Card("RTX 6000 Ada, 48 GB", 49_140 * MIB, (8, 9)),
    Card("H100, 80 GB", 81_559 * MIB, (9, 0)),
    Card("RTX PRO 6000, 96 GB", 97_887 * MIB, (12, 0)),
    Card("H200, 141 GB", 143_771 * MIB, (9, 0)),
    Card("B200, 180 GB", 183_359 * MIB, (10, 0)),
)
"""Common GPUs with the memory that their drivers report."""


def main() -> None:
    count = sizes()
    tables = count.modulation // 3072 * 3 // 2 * 2 * FEW_STEPS
    print(f"transformer {count.transformer:,} parameters, of which modulation {count.modulation:,},")  # noqa: T201
    print(f"for which the tables of {FEW_STEPS} timesteps take {tables / 1e6:.1f} MB in bf16;")  # noqa: T201
    print(f"text encoder {count.text_encoder:,}, VAE {count.vae:,}")  # noqa: T201
    for table, profiles in _grouped({name: _table(profile) for name, profile in PROFILES.items()}).items():
        print(f"\n{', '.join(profiles)}\n{HEADER}\n{table}")  # noqa: T201


HEADER = f"{'transformer, text encoder, LoRAs':33}{'resident':>8}{'peak':>6}{'host':>6}{'disk':>6} GB  GPU"


def _table(profile: Profile) -> str:
    """Return a line per plan of a profile, with the cards that have it."""
    plans = {card.name.partition(",")[0]: _weights_and_sizes(make_plan(profile, card)) for card in CARDS}
    return "\n".join(f"{line}     {', '.join(cards)}" for line, cards in _grouped(plans).items())


def _weights_and_sizes(plan: Plan) -> str:
    weights = f"{plan.transformer}{' tabulated' if plan.tabulated else ''}, {plan.text_encoder}, {plan.loras}"
    others = "".join(f"{size / GB:6.1f}" for size in (plan.peak, plan.host, plan.disk))
    return f"{weights:33}{plan.resident / GB:8.1f}{others}"


def _grouped(values: dict[str, str]) -> dict[str, list[str]]:
    """Return the names of each value, in the order of the first."""
    return {value: [name for name, other in values.items() if other == value] for value in values.values()}


if __name__ == "__main__":
    main()
