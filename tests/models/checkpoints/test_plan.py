import re
from typing import Any

import pytest

from models.checkpoints.plan import BYTES, CARDS, USABLE, Card, main, make_plan
from models.checkpoints.profiles import PROFILES, find_profile, profile_of
from models.checkpoints.sizes import sizes
from schemas.settings import Settings, SettingsError

EDIT = PROFILES["qwen-image-edit-2511"]
BY_NAME = {card.name: card for card in CARDS}


def test_parameters_are_those_of_the_published_checkpoints() -> None:
    count = sizes()
    assert count.transformer == 20_430_401_088
    assert count.modulation == 60 * 2 * (6 * 3072 * 3072 + 6 * 3072)
    assert count.text_encoder == pytest.approx(8.292e9, rel=0.001)
    assert count.vae == pytest.approx(126.9e6, rel=0.001)


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("card", CARDS, ids=BY_NAME)
def test_every_profile_fits_every_common_card(name: str, card: Card) -> None:
    plan = make_plan(PROFILES[name], card)
    assert plan.resident < plan.peak < card.memory
    assert "fast" in plan.qualities


def test_a_large_card_gets_the_exact_weights_and_every_quality() -> None:
    plan = make_plan(EDIT, BY_NAME["H100, 80 GB"])
    assert (plan.transformer, plan.text_encoder, plan.tabulated) == ("bf16", "bf16", False)
    assert plan.qualities == ("fast", "balanced", "best")
    assert plan.resident == pytest.approx(57.7e9 + 1.6e9, rel=0.01), "published: 57.7 GB without LoRAs"
    assert plan.loras == "reversible", "fused for the fast quality, subtracted for the others"


@pytest.mark.parametrize("name", ["RTX PRO 6000, 96 GB", "B200, 180 GB"])
def test_large_cards_of_the_newest_generation_get_the_exact_weights(name: str) -> None:
    plan = make_plan(EDIT, BY_NAME[name])
    assert (plan.transformer, plan.text_encoder, plan.qualities) == ("bf16", "bf16", ("fast", "balanced", "best"))


def test_the_printed_plans_name_every_card_of_every_profile(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    tables = capsys.readouterr().out.split("\n\n")[1:]
    assert {name for table in tables for name in table.splitlines()[0].split(", ")} == PROFILES.keys()
    for table in tables:
        for card in CARDS:
            assert len(re.findall(rf"\b{card.name.partition(',')[0]}(?=,|$)", table, re.MULTILINE)) == 1


def test_exact_tables_come_before_inexact_weights() -> None:
    plan = make_plan(EDIT, BY_NAME["RTX 6000 Ada, 48 GB"])
    assert (plan.transformer, plan.tabulated) == ("bf16", True)


def test_four_bits_leave_the_vision_tower_in_sixteen() -> None:
    small = make_plan(EDIT, BY_NAME["RTX 4090, 24 GB"])
    assert small.text_encoder == "nf4"
    everything = (sizes().text_encoder - sizes().words) * BYTES["nf4"] + sizes().words * 2
    eight_bits = sizes().blocks + sizes().ends * 2 + sizes().vae * 2
    assert small.resident - eight_bits - everything == pytest.approx(0.97e9, rel=0.02)


def test_the_smallest_card_of_24_gb_has_room_for_eight_bits_and_the_vision_tower() -> None:
    plan = make_plan(EDIT, Card("L4", 23_034 * 2**20, (8, 9)))
    assert (plan.transformer, plan.text_encoder) == ("fp8", "nf4")


def test_a_plan_says_what_it_needs_of_main_memory_and_disk() -> None:
    small, large = (make_plan(EDIT, BY_NAME[name]) for name in ("RTX 4090, 24 GB", "H100, 80 GB"))
    assert small.host == pytest.approx(42.6e9, rel=0.01), "the transformer waits there for its turn"
    assert large.host < 2e9
    assert small.disk == pytest.approx(58.6e9, rel=0.01)


def test_a_prequantized_file_halves_what_waits() -> None:
    plan = make_plan(PROFILES["qwen-image-edit-2511-fp8"], BY_NAME["RTX 4090, 24 GB"])
    assert (plan.transformer, plan.loras, plan.qualities) == ("fp8", "merged", ("fast",))
    assert plan.host < 0.5 * make_plan(EDIT, BY_NAME["RTX 4090, 24 GB"]).host + 1e9
    with pytest.raises(SettingsError, match="the files of qwen-image-edit-2511-fp8 are fp8"):
        make_plan(PROFILES["qwen-image-edit-2511-fp8"], BY_NAME["H200, 141 GB"], "bf16")


def test_a_profile_without_few_step_loras_serves_every_quality() -> None:
    plan = make_plan(PROFILES["firered-image-edit-1.1"], BY_NAME["H100, 80 GB"])
    assert (plan.loras, plan.tabulated, len(plan.qualities)) == ("none", False, 3)


@pytest.mark.parametrize("precision", ["bf16", "fp8", "int8", "nf4"])
def test_the_asked_precision_is_obeyed(precision: str) -> None:
    assert make_plan(EDIT, BY_NAME["H200, 141 GB"], precision).transformer == precision  # type: ignore[arg-type]


@pytest.mark.parametrize("card", CARDS, ids=BY_NAME)
@pytest.mark.parametrize("transformers", [1, 2])
def test_what_does_not_fit_the_card_whole_waits_in_main_memory(card: Card, transformers: int) -> None:
    try:
        plan = make_plan(EDIT, card, transformers=transformers)
    except SettingsError:
        return
    whole = 2 * (transformers * sizes().transformer) + sizes().text_encoder * BYTES[plan.text_encoder]
    assert plan.is_waiting or plan.transformer == "nf4" or whole < card.memory * USABLE


def test_cards_that_do_not_multiply_fp8_get_the_nearer_eight_bits() -> None:
    assert make_plan(EDIT, Card("RTX 3090", 24 * 2**30, (8, 6))).transformer == "int8"
    assert make_plan(EDIT, Card("L4", 24 * 2**30, (8, 9))).transformer == "fp8"


def test_who_asks_for_the_fast_quality_alone_gets_its_lora_fused() -> None:
    plan = make_plan(EDIT, BY_NAME["H200, 141 GB"], qualities="fast")
    assert (plan.loras, plan.tabulated, plan.qualities) == ("fused", False, ("fast",))
    with pytest.raises(
        SettingsError, match="QUALITIES: fast needs a LoRA in the weights, which nf4 weights cannot take"
    ):
        make_plan(EDIT, BY_NAME["H200, 141 GB"], "nf4", qualities="fast")


def test_eight_bits_are_made_on_one_card() -> None:
    pair = Card("2 x L40S", 46 * 2**30, (8, 9), count=2)
    with pytest.raises(SettingsError, match="PRECISION: eight-bit weights need a single GPU"):
        make_plan(EDIT, pair, "fp8", "balanced")
    small = Card("2 x RTX 4090", 24 * 2**30, (8, 9), count=2)
    assert not make_plan(EDIT, small, device_map="balanced").is_waiting


def test_what_cannot_fit_is_refused_with_the_numbers() -> None:
    with pytest.raises(SettingsError, match=r"needs \d+\.\d GB .* has only \d+\.\d GB"):
        make_plan(EDIT, Card("RTX 4060, 8 GB", 8 * 2**30, (8, 9)))
    with pytest.raises(SettingsError, match="bf16"):
        make_plan(EDIT, BY_NAME["RTX 4090, 24 GB"], "bf16")


def test_two_small_cards_together_take_what_one_cannot() -> None:
    pair = Card("2 x RTX 5090", 32 * 2**30, (12, 0), count=2)
    assert make_plan(EDIT, pair, "bf16", "balanced").transformer == "bf16"
    with pytest.raises(SettingsError):
        make_plan(EDIT, pair, "bf16", "cuda")


@pytest.mark.parametrize(
    ("told", "profile"),
    [
        ({}, "qwen-image-edit-2511"),
        ({"qwen_image_edit_location": "Qwen/Qwen-Image-Edit-2509@abc"}, "qwen-image-edit-2509"),
        ({"qwen_image_edit_location": "shop/own"}, "qwen-image-edit-2511"),
        (
            {"qwen_image_edit_location": "Qwen/Qwen-Image-Edit-2509", "model_profile": "qwen-image-edit-2511-fp8"},
            "qwen-image-edit-2511-fp8",
        ),
    ],
)
def test_a_location_selects_its_profile_unless_one_is_named(told: dict[str, Any], profile: str) -> None:
    assert profile_of(Settings(_env_file=None, **told)).name == profile


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="qwen-image-edit-2511"):
        find_profile("qwen-image-3")
