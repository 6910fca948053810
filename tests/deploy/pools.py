"""RunPod's GPU pools as far as a plan fits them, each with the member whose driver reports the least memory: in "48
GB", an L40S or A40 with error correction reports 46,068 MiB."""

from models.checkpoints.plan import Card

POOLS = {
    "AMPERE_24": Card("L4", 23_034 * 2**20, (8, 9)),
    "ADA_24": Card("L4", 23_034 * 2**20, (8, 9)),
    "ADA_32_PRO": Card("RTX 5090", 32_607 * 2**20, (12, 0)),
    "AMPERE_48": Card("A40", 46_068 * 2**20, (8, 6)),
    "ADA_48_PRO": Card("L40S", 46_068 * 2**20, (8, 9)),
    "AMPERE_80": Card("A100", 81_920 * 2**20, (8, 0)),
    "ADA_80_PRO": Card("H100", 81_559 * 2**20, (9, 0)),
    "BLACKWELL_96": Card("RTX PRO 6000", 97_887 * 2**20, (12, 0)),
    "HOPPER_141": Card("H200", 143_771 * 2**20, (9, 0)),
    "BLACKWELL_180": Card("B200", 183_359 * 2**20, (10, 0)),
}

OTHERS = {
    card.name: card
    for card in (
        Card("RTX 3090", 24_576 * 2**20, (8, 6)),
        Card("RTX A5000", 24_564 * 2**20, (8, 6)),
        Card("RTX 4090", 24_564 * 2**20, (8, 9)),
        Card("RTX A6000", 49_140 * 2**20, (8, 6)),
        Card("L40", 46_068 * 2**20, (8, 9)),
        Card("RTX 6000 Ada", 49_140 * 2**20, (8, 9)),
    )
}
"""More members of these pools: some have a different plan, without error correction or of an older generation."""
