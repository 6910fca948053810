import sys
from collections.abc import Callable

import pytest

from imaging.placement.text_placement import Surface, Words, read

BY_THING = Words(names_thing=True)
ON_TABLE = Words(surface="tabletop", names_thing=True)
OVER_SOFA = Words(surface="wall", names_thing=True)
BACK_RIGHT = Words(side="right", depth="back", corner=True)
FRONT_LEFT = Words(side="left", depth="front")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Put it to the LEFT of the big old leather sofa.", BY_THING),
        ("Stell ihn links neben das Sofa", BY_THING),
        ("À gauche du canapé", BY_THING),
        ("a gauche du canape", BY_THING),
        ("a la izquierda del sofá", BY_THING),
        ("把椅子放在沙发的左边", BY_THING),
        ("on the coffee table", ON_TABLE),
        ("auf den Couchtisch", ON_TABLE),
        ("sur la table basse", ON_TABLE),
        ("encima de la mesa", ON_TABLE),
        ("放在茶几上面", ON_TABLE),
        ("Hang it above the sofa", OVER_SOFA),
        ("an die Wand hängen, über das Sofa", OVER_SOFA),
        ("accroche-le au mur au-dessus du canapé", OVER_SOFA),
        ("Cuelga el cuadro en la pared sobre el sofá", OVER_SOFA),
        ("挂在沙发上方的墙上", OVER_SOFA),
        ("in the right corner, at the back", BACK_RIGHT),
        ("hinten in der rechten Ecke", BACK_RIGHT),
        ("au fond, dans le coin droit", BACK_RIGHT),
        ("en el rincón derecho, al fondo", BACK_RIGHT),
        ("放在远处右边的角落", BACK_RIGHT),
        ("on the left in the foreground", FRONT_LEFT),
        ("links vorne", FRONT_LEFT),
        ("au premier plan, à gauche", FRONT_LEFT),
        ("delante, a la izquierda", FRONT_LEFT),
        ("放在左边靠前的地方", FRONT_LEFT),
    ],
)
def test_the_same_place_is_read_in_five_languages(said: str, meant: Words) -> None:
    assert read(said) == meant


@pytest.mark.parametrize(
    "said",
    [
        "in front of the window",
        "behind the couch",
        "under the painting",
        "opposite the bed",
        "not far from the door",
        "am Fenster",
        "gegenüber vom Bett",
        "en face du lit",
        "al lado de la planta",
        "debajo de la ventana",
        "靠近窗户",
        "沙发对面",
        "植物后面",
    ],
)
def test_a_relation_to_a_thing_chooses_no_side_and_no_depth(said: str) -> None:
    assert read(said) == BY_THING


@pytest.mark.parametrize(
    ("said", "surface"),
    [
        ("on the sofa", "tabletop"),
        ("auf die Kücheninsel", "tabletop"),
        ("on the windowsill", "tabletop"),
        ("放在电视柜上", "tabletop"),
        ("on the rug", "floor"),
        ("to the right of the picture", "wall"),
        ("stand it to the right of the picture", None),
        ("on the floor", "floor"),
        ("on the wall", "wall"),
    ],
)
def test_what_something_stands_on_or_hangs_at_is_its_surface(said: str, surface: Surface | None) -> None:
    assert read(said).surface == surface


@pytest.mark.parametrize(
    "said",
    [
        "",
        "Use the left over space and make it the right size",
        "Scale it right, there is little space left.",
        "This is the right chair. Leave the rest alone.",
        "See the links: https://example.com/left-handed",
        "C'est un produit adroit, tout droit",
        "Es ist richtig so",
        "Exactamente así, gracias",
        "大约50厘米左右，画面不要改变",
        "Do not change the sofa, the wall or the window",
        "A table lamp with a wall plug",
        "🪑" * 10,
    ],
)
def test_words_that_only_look_like_places_say_nothing(said: str) -> None:
    assert read(said) == Words()


@pytest.mark.parametrize(
    "said",
    [
        "next to the fireplace", "Put it beside the TV, please", "in front of the bookshelf", "on the windowsill",
        "neben den Kamin", "vor den Fernseher", "auf die Fensterbank", "à côté de la cheminée", "junto a la chimenea",
        "放在电视旁边", "under the stairs", "next to the aquarium", "beside the old aquarium on the left",
    ],
)  # fmt: skip
def test_a_thing_that_is_not_in_the_book_is_a_thing(said: str) -> None:
    assert read(said).names_thing


@pytest.mark.parametrize(
    "said", ["to the left of the room", "leave some space behind it", "made by hand", "in front, slightly turned"]
)
def test_what_is_no_thing_to_stand_beside_makes_no_place(said: str) -> None:
    assert not read(said).names_thing


def test_a_thing_far_off_belongs_to_nothing() -> None:
    assert read("Put it on display for all your dear customers, the sofa goes out of stock") == Words()


def test_the_longest_phrase_wins() -> None:
    assert read("right next to the plant") == BY_THING
    assert read("the right wall").side == "right"
    assert read("on the back wall").depth == "back"


@pytest.mark.parametrize(
    ("said", "unwanted"),
    [
        ("not on the table", ON_TABLE),
        ("Don't put it on the left!", Words(side="left")),
        ("nicht links", Words(side="left")),
        ("pas sur la table", ON_TABLE),
        ("no a la izquierda", Words(side="left")),
        ("不要放在左边", Words(side="left")),
    ],
)
def test_what_is_said_with_a_not_is_unwanted(said: str, unwanted: Words) -> None:
    assert read(said) == Words(unwanted=unwanted)


@pytest.mark.parametrize(
    "said",
    [
        "not on the left but on the right",
        "nicht links, sondern rechts",
        "pas à gauche, mais à droite",
        "no a la izquierda sino a la derecha",
        "不要放在左边，放在右边",
    ],
)
def test_a_not_ends_where_the_sentence_turns(said: str) -> None:
    assert read(said) == Words(side="right", unwanted=Words(side="left"))


def test_an_or_carries_the_not_on() -> None:
    assert read("not in the corner, or on the rug").unwanted == Words(corner=True, surface="floor", names_thing=True)


def test_what_is_stood_at_the_wall_does_not_hang_there() -> None:
    assert read("an die Wand").surface == "wall"
    assert read("Stell den Sessel an die Wand") == Words(depth="back")


@pytest.mark.parametrize("said", ["against the wall", "gegen die Wand", "contre le mur", "contra la pared", "靠墙"])
def test_against_the_wall_is_at_the_back_unless_a_side_is_named(said: str) -> None:
    assert read(said) == Words(depth="back")
    assert read("against the left wall") == Words(side="left")


def test_only_a_place_that_depends_on_a_thing_is_one_that_has_to_be_looked_for() -> None:
    assert read("next to the sofa").depends_on_thing
    assert read("in the corner, not on the rug").depends_on_thing
    assert not read("in the corner, not on the table").depends_on_thing
    assert not read("on the left wall").depends_on_thing


@pytest.mark.parametrize("pattern", ["on the ", "left of ", "the ", "左", "not or , ", "ﷺ", "a", "à côté ", "a el le "])
def test_four_times_as_many_hostile_characters_are_no_more_than_that_much_work(pattern: str) -> None:
    read("")  # the phrase books are built once
    few, many = (calls(lambda length=length: read((pattern * length)[:length])) for length in (1000, 4000))
    assert many < 6 * few


def calls(work: Callable[[], object]) -> int:
    """Return the number of functions that `work` calls."""
    events: list[str] = []
    before = sys.getprofile()
    sys.setprofile(lambda _frame, event, _: events.append(event))
    try:
        work()
    finally:
        sys.setprofile(before)
    return len(events)
