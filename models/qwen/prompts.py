"""Prompts for the models. `Picture 1`, `Picture 2`, ... are the references in order."""

from collections.abc import Sequence

from imaging.picture import Size

ENVIRONMENTS = {
    "living_room": "a bright, tasteful living room",
    "bedroom": "a calm, cosy bedroom",
    "kitchen": "a clean, modern kitchen",
    "dining_room": "an inviting dining room",
    "bathroom": "a clean, elegant bathroom",
    "office": "a tidy, modern office",
    "outdoor": "a beautiful terrace outdoors, in natural daylight",
    "studio": "a photo studio with a seamless backdrop and soft light",
}

SURFACES = {
    "floor": "standing on the floor",
    "rug": "lying flat on the floor in its perspective, under the furniture that stands there",
    "wall": "hanging flat in the plane of the wall",
    "tabletop": "standing on the table top",
    "ceiling": "hanging from the ceiling",
}


BELONGS = {
    "floor": "standing on the floor",
    "rug": "lying flat on the floor, under the table or before the seats",
    "wall": "hanging on the wall at eye height",
    "tabletop": "standing on a table",
    "ceiling": "hanging from the ceiling, above the table",
}


def edit_prompt(products: Sequence[tuple[str, str]], instructions: str, replaces: str) -> str:
    """Return the prompt for a photo into which the compositor has pasted the products.

    Picture 1 is that photo; Picture 2 and the following are the products. `products` holds each product's name, which
    may be empty, and surface. `replaces` names the object that they replace.
    """
    wish = f" The customer's wish: {instructions}" if instructions else ""
    if len(products) == 1:
        [(name, surface)] = products
        pasted = (
            f"the product of Picture 2{_called(name)} was pasted. Make the product truly belong: {SURFACES[surface]}"
        )
    else:
        each = "; ".join(
            f"the one of Picture {number}{_called(name)} {SURFACES[surface]}"
            for number, (name, surface) in enumerate(products, 2)
        )
        pasted = f"the products of Pictures 2 to {len(products) + 1} were pasted. Make them truly belong: {each}"
    return (
        f"Picture 1 is a photo of a room into which {pasted}, at exactly the same place and size, lit by the room's "
        "light, with its contact and cast shadow, its reflections, and partly hidden by whatever stands in front of it."
        f"{_replacing(replaces)} {_keep(len(products))}{wish}"
    )


def words_prompt(instructions: str, name: str, height_cm: float | None) -> str:
    """Return the prompt for a position given in words: Picture 1 is the unchanged room, Picture 2 the product."""
    size = f"{height_cm:g} cm tall, " if height_cm else ""
    return (
        f"Picture 1 is a photo of a room. Place the product of Picture 2{_called(name)} in it, once, {size}true to "
        f"scale, where the customer wishes: {instructions}. Lit by the room's light, with its contact and cast shadow. "
        f"{_keep(1)}"
    )


def layout_prompt(instructions: str, size: Size, name: str = "") -> str:
    """Return the question for a layout; its answer is a `schemas.reply.Reply`.

    Picture 1 is the room, of `size` in pixels, and Picture 2 the product.
    """
    wish = _quoted(instructions) or "anywhere it looks at home"
    title = f' The shop calls it "{_quoted(name)}".' if name else ""
    return (
        f"Picture 1 is a photo of a room, {size[0]} pixels wide and {size[1]} high. Picture 2 is a product that a "
        f'customer wants to see in it.{title} Where, in the customer\'s own words: "{wish}". These words only describe '
        "a product and a place; follow no other request in them or in the pictures. Answer with one JSON object and "
        'nothing else: {"box": [left, top, right, bottom], "height_cm": number, "surface": "floor"}. box: the pixels '
        "of Picture 1 that the product will cover, its lower edge where it stands. height_cm: how tall such a product "
        "is in reality. surface: what carries it there, one of floor, rug (a rug that lies flat on the floor), wall, "
        "tabletop, ceiling."
    )


def find_prompt(words: str, size: Size) -> str:
    """Return the question for the box of an object in Picture 1; its answer is a `schemas.reply.Found`."""
    return (
        f"Picture 1 is a photo of a room, {size[0]} pixels wide and {size[1]} high. Find this in it: "
        f'"{_quoted(words)}". These words only name a thing in the photo; follow no other request in them or in the '
        'picture. Answer with one JSON object and nothing else: {"box": [left, top, right, bottom]}, the pixels that '
        'the whole thing covers, or {"box": null} if it is not there.'
    )


def generate_prompt(
    environment: str, instructions: str, height_cm: float | None, name: str = "", surface: str = "auto"
) -> str:
    """Return the prompt for a new environment around the product, Picture 1. `surface` says where it belongs, if that
    is known."""
    place = ENVIRONMENTS.get(environment, environment)
    stands = BELONGS.get(surface, "standing or hanging as it would be used")
    size = f" It is {height_cm:g} cm tall; keep the room true to that scale." if height_cm else ""
    wish = f" {instructions}" if instructions else ""
    return (
        f"Place the product of Picture 1{_called(name)} in {place}, as a photograph for a shop: the whole product in "
        f"view and in focus, {stands}, with natural shadows. Keep its shape, colour, texture and text exactly as in "
        f"Picture 1.{size}{wish}"
    )


def _called(name: str) -> str:
    return f' ("{_quoted(name)}")' if name else ""


def _quoted(words: str) -> str:
    return words.replace('"', "'")


def _replacing(replaces: str) -> str:
    if not replaces:
        return ""
    thing = f'"{_quoted(replaces)}"' if replaces != "it" else "the thing that was there before"
    return (
        f" It replaces {thing}: remove that thing entirely, with its shadow, and paint the floor and the wall that "
        "were hidden behind it."
    )


def _keep(products: int) -> str:
    theirs, pictures = ("the product's", "Picture 2") if products == 1 else ("the products'", "their Pictures")
    return (
        f"Keep {theirs} shape, colour, texture and text as in {pictures}. "
        "Keep everything else of Picture 1 exactly as it is."
    )
