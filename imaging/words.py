"""What placement words say."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

Surface = Literal["floor", "wall", "tabletop"]
Side = Literal["left", "right", "centre"]
Depth = Literal["front", "back"]
Relation = Literal["next_to", "left_of", "right_of", "in_front_of", "behind", "on", "under", "above", "opposite"]
Landmark = Literal["window", "sofa", "bed", "chair", "table", "rug", "plant", "wall", "picture", "door"]


class Place(NamedTuple):
    relation: Relation
    landmark: Landmark


@dataclass(frozen=True)
class Words:
    side: Side | None = None
    depth: Depth | None = None
    corner: bool = False
    surface: Surface | None = None
    places: tuple[Place, ...] = ()
    unwanted: "Words | None" = None


def read(instructions: str) -> Words:
    return Words()
