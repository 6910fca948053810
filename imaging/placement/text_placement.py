"""What placement words say, in five languages: a phrase book, and the little grammar that joins what it finds.

It knows no sentences, and takes no notice of words that are not in the book.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, NamedTuple, cast, get_args

from imaging.placement.lexicon import ARTICLES, CONTRACTIONS, PHRASES

Surface = Literal["floor", "wall", "tabletop"]
Side = Literal["left", "right", "center"]
Depth = Literal["front", "back"]
Relation = Literal["next_to", "left_of", "right_of", "in_front_of", "behind", "on", "under", "above", "opposite"]
Landmark = Literal["window", "sofa", "bed", "chair", "table", "rug", "plant", "wall", "picture", "door", "thing"]

Meanings = tuple[str, ...]


class Place(NamedTuple):
    relation: Relation
    landmark: Landmark


@dataclass(frozen=True)
class Words:
    """What was said; None, False or empty where nothing was. `unwanted` is what was said with a "not"."""

    side: Side | None = None
    depth: Depth | None = None
    corner: bool = False
    surface: Surface | None = None
    places: tuple[Place, ...] = ()
    unwanted: "Words | None" = None


_REACH = 4
"""Words that may stand between a relation and its landmark: "next to the big old leather sofa"."""

_ALONE = {"left_of": "left", "right_of": "right", "in_front_of": "front", "behind": "back"}
"""What a relation says where no landmark follows."""

_RELATIONS = (*get_args(Relation), "at")
_LANDMARKS = (*get_args(Landmark), "floor")
_POINTING = ("next_to", "left_of", "right_of", "in_front_of", "behind")
"""Relations that hardly ever stand before anything but a thing: what follows them is one, in the book or not."""

_TURNS = ("not", "but", "or", ",", ".")
_BEAR_OUT = frozenset({"corner", "wall", "front", "back", ",", "."})
_CARRY = ("table", "sofa", "bed", "chair")

_TOKEN = re.compile(r"[a-z0-9]+|[\u3400-\u9fff]|[,、()]|[.;:!?。\n]")
_BETWEEN_PHRASES = re.compile(r", |(?<=[\u3400-\u9fff]) ")
_LONGEST_PHRASE = 10  # tokens, with articles between them


class _Book(dict[str, "_Book"]):
    """A tree of phrases, word by word; `meanings` are those of the phrase that ends here."""

    meanings: Meanings = ()


def read(instructions: str) -> Words:
    """What `instructions` say of a place. Of phrases the longest counts, of sides, depths and surfaces the first."""
    listener = _Listener()
    for meanings in _meanings(_tokens(instructions)):
        listener.hear(meanings)
    listener.let_go()
    unwanted = _words(listener.unwanted)
    return replace(_words(listener.wanted), unwanted=unwanted if unwanted != Words() else None)


def _tokens(text: str) -> list[str]:
    """Words and Chinese characters, "," and "."."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    tokens: list[str] = []
    for found in _TOKEN.findall(plain):
        if found.isalnum():
            tokens += CONTRACTIONS.get(found, found).split()
        else:
            tokens.append("," if found in ",、()" else ".")
    return tokens


def _meanings(tokens: list[str]) -> list[Meanings]:
    """Of each phrase its meanings, of each break itself, of other words none."""
    places, misleading = _books()
    honest = ["" if meanings else token for token, meanings in _phrases(misleading, tokens)]
    found = [
        meanings or ((token,) if token in (",", ".") else ())
        for token, meanings in _phrases(places, honest)
        if meanings or token not in ARTICLES
    ]
    return [_certain(*three) for three in zip([(".",), *found], found, [*found[1:], (".",)], strict=False)]


def _certain(before: Meanings, meanings: Meanings, after: Meanings) -> Meanings:
    """`meanings` without those marked "?" that nothing beside them bears out: a break after them or one of the rest."""
    sure = _BEAR_OUT & {*after} or _BEAR_OUT & {*before} - {",", "."}
    return tuple(meaning.rstrip("?") for meaning in meanings if sure or not meaning.endswith("?"))


def _phrases(book: _Book, tokens: list[str]) -> Iterator[tuple[str, Meanings]]:
    """Each token that begins no phrase, without meanings, and the first of each phrase with them."""
    at = 0
    while at < len(tokens):
        meanings, length = _longest(book, tokens[at : at + _LONGEST_PHRASE])
        yield tokens[at], meanings
        at += length


def _longest(book: _Book, tokens: list[str]) -> tuple[Meanings, int]:
    found: tuple[Meanings, int] = (), 1
    for number, token in enumerate(tokens):
        if token in book:
            book = book[token]
            found = (book.meanings, number + 1) if book.meanings else found
        elif number == 0 or token not in ARTICLES:
            break
    return found


@cache
def _books() -> tuple[_Book, _Book]:
    """The phrases of place, and those that only look like them."""
    places, misleading = _Book(), _Book()
    for line in PHRASES.splitlines():
        meaning, colon, phrases = line.partition(":")
        if not colon:
            continue
        for phrase in _BETWEEN_PHRASES.split(phrases.strip()):
            _write(places if meaning else misleading, _tokens(phrase), meaning or "misleading")
    return places, misleading


def _write(book: _Book, tokens: list[str], meaning: str) -> None:
    for token in tokens:
        book = book.setdefault(token, _Book())
    book.meanings = (*book.meanings, meaning)


class _Listener:
    """What was said so far, and what the next word may belong to."""

    def __init__(self) -> None:
        self.wanted: list[str | Place] = []
        self.unwanted: list[str | Place] = []
        self._negated = self._negated_before = False
        self._relation, self._reach = "", 0
        self._pointed = False
        self._landmark = ""

    def hear(self, meanings: Meanings) -> None:
        landmark, self._landmark = self._landmark, ""
        for meaning in meanings:
            if meaning.startswith("+"):
                if landmark:
                    return self._say(_place(meaning[1:], landmark))
            elif meaning in _RELATIONS:
                self.let_go()
                self._relation, self._reach, self._pointed = meaning, _REACH, meaning in _POINTING
            elif meaning in _LANDMARKS:
                self._name(meaning)
            elif meaning in _TURNS:
                self._turn(meaning)
            else:
                self._say(meaning)
            self._pointed &= meaning in _RELATIONS or (self._reach < _REACH and meaning != "whole")
        return self._wait(not meanings)

    def let_go(self) -> None:
        """No landmark will follow: a relation to nothing may still be a side or a depth, or a thing that is not in the
        book."""
        if self._relation and self._pointed and self._reach < _REACH and not self._negated:
            self._say(_place(self._relation, "thing"))
        if self._relation in _ALONE:
            self._say(_ALONE[self._relation])
        self._relation, self._pointed = "", False

    def _wait(self, plain: bool) -> None:
        self._reach -= plain
        if self._reach < 0:
            self.let_go()

    def _name(self, landmark: str) -> None:
        if self._relation:
            self._say(_place(self._relation, landmark))
        self._relation, self._landmark = "", landmark

    def _turn(self, word: str) -> None:
        """A comma ends a "not", an "or" takes it up again."""
        if word in (".", "but"):
            self.let_go()
            self._negated = self._negated_before = False
        elif word == ",":
            self._negated, self._negated_before = False, self._negated or self._negated_before
        else:
            self._negated = word == "not" or self._negated or self._negated_before

    def _say(self, what: str | Place) -> None:
        (self.unwanted if self._negated else self.wanted).append(what)


def _place(relation: str, landmark: str) -> Place:
    return Place(cast(Relation, relation), cast(Landmark, landmark))


def _words(said: list[str | Place]) -> Words:
    hung = "hang" in said
    stood = "stand" in said and not hung
    places = [_meant(what, hung, stood) for what in said if isinstance(what, Place)]
    surfaces = [surface for place in places if (surface := _surface(place, stood))]
    return Words(
        side=cast(Side | None, _first(said, get_args(Side))),
        depth=cast(Depth | None, _first(said, get_args(Depth))),
        corner="corner" in said,
        surface="wall" if hung else next(iter(surfaces), None),
        places=tuple(place for place in places if place not in (("on", "wall"), ("on", "floor"))),
    )


def _first(said: list[str | Place], of: tuple[str, ...]) -> str | None:
    return next((what for what in said if isinstance(what, str) and what in of), None)


def _meant(place: Place, hung: bool, stood: bool) -> Place:
    """`place` with "at" and "on" as its landmark and the verb make them."""
    relation, landmark = cast(str, place.relation), place.landmark
    if landmark == "wall" and relation in ("at", "on"):
        return _place("next_to" if stood else "on", landmark)
    if relation == "at" or (relation == "on" and landmark in ("window", "door", "picture", "plant")):
        return _place("next_to", landmark)
    if relation == "on" and hung and landmark in _CARRY:
        return _place("above", landmark)
    return place


def _surface(place: Place, stood: bool) -> Surface | None:
    relation, landmark = place
    if relation == "on":
        if landmark == "thing":
            return None
        return "wall" if landmark == "wall" else "tabletop" if landmark in _CARRY else "floor"
    by_picture = landmark == "picture" and relation in ("next_to", "left_of", "right_of")
    return "wall" if relation == "above" or (by_picture and not stood) else None
