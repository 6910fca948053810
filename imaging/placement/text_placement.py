"""Reads the surface, side, depth and corner from placement words in five languages, with a phrase book and a small
grammar that joins the phrases.

It does not parse sentences and skips words that are not in the book. Objects in the photo are recognized only as words,
so that "left of the sofa" is not read as "left".
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, NamedTuple, cast, get_args

from imaging.placement.lexicon import ARTICLES, CONTRACTIONS, PHRASES

Surface = Literal["floor", "rug", "wall", "tabletop", "ceiling"]
Side = Literal["left", "right", "center"]
Depth = Literal["front", "back"]

Meanings = tuple[str, ...]


class _Relation(NamedTuple):
    """A relation to an object: "next_to" and "sofa" in "beside the sofa"."""

    relation: str
    thing: str


@dataclass(frozen=True)
class Words:
    """The position that was requested; None or False if nothing was.

    `names_thing` is True if the position depends on an object in the photo. `unwanted` is what was said with a
    "not".
    """

    side: Side | None = None
    depth: Depth | None = None
    corner: bool = False
    surface: Surface | None = None
    names_thing: bool = False
    unwanted: "Words | None" = None

    @property
    def depends_on_thing(self) -> bool:
        """True if the wanted or an unwanted position refers to an object in the photo. An unwanted table does not
        count: any position off the tables avoids it."""
        avoided = self.unwanted
        return self.names_thing or bool(avoided and avoided.names_thing and avoided.surface != "tabletop")


_REACH = 4
"""Number of words that may stand between a relation and its object: "next to the big old leather sofa"."""

_ALONE = {"left_of": "left", "right_of": "right", "in_front_of": "front", "behind": "back"}
"""Meaning of a relation that no object follows."""

_RELATIONS = ("next_to", "left_of", "right_of", "in_front_of", "behind", "near", "on", "at", "above")
_THINGS = ("raised", "rug", "picture", "thing", "wall", "floor")
_POINTING = ("next_to", "left_of", "right_of", "in_front_of", "behind")
"""Relations that hardly ever precede anything but an object: the word after them is one, whether it is in the book or
not."""

_TURNS = ("not", "but", "or", ",", ".")
_BEAR_OUT = frozenset({"corner", "wall", "front", "back", ",", "."})

_TOKEN = re.compile(r"[a-z0-9]+|[\u3400-\u9fff]|[,、()]|[.;:!?。\n]")
_BETWEEN_PHRASES = re.compile(r", |(?<=[\u3400-\u9fff]) ")
_LONGEST_PHRASE = 10  # tokens, with articles between them


class _Book(dict[str, "_Book"]):
    """A tree of phrases, word by word; `meanings` are those of the phrase that ends here."""

    meanings: Meanings = ()


def read(instructions: str) -> Words:
    """Return what `instructions` say about the position. The longest phrase counts, and the first side, depth and
    surface."""
    listener = _Listener()
    for meanings in _meanings(_tokens(instructions)):
        listener.hear(meanings)
    listener.let_go()
    unwanted = _words(listener.unwanted)
    return replace(_words(listener.wanted), unwanted=unwanted if unwanted != Words() else None)


def _tokens(text: str) -> list[str]:
    """Return words and Chinese characters, "," and "."."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    tokens: list[str] = []
    for found in _TOKEN.findall(plain):
        if found.isalnum():
            tokens += CONTRACTIONS.get(found, found).split()
        else:
            tokens.append("," if found in ",、()" else ".")
    return tokens


def _meanings(tokens: list[str]) -> list[Meanings]:
    """Return the meanings of each phrase, each break as itself, and no meanings for other words."""
    places, misleading = _books()
    honest = ["" if meanings else token for token, meanings in _phrases(misleading, tokens)]
    found = [
        meanings or ((token,) if token in (",", ".") else ())
        for token, meanings in _phrases(places, honest)
        if meanings or token not in ARTICLES
    ]
    return [_certain(*three) for three in zip([(".",), *found], found, [*found[1:], (".",)], strict=False)]


def _certain(before: Meanings, meanings: Meanings, after: Meanings) -> Meanings:
    """Return `meanings` without those marked "?" that no neighbor confirms: a break after them, or one of the other
    meanings."""
    sure = _BEAR_OUT & {*after} or _BEAR_OUT & {*before} - {",", "."}
    return tuple(meaning.rstrip("?") for meaning in meanings if sure or not meaning.endswith("?"))


def _phrases(book: _Book, tokens: list[str]) -> Iterator[tuple[str, Meanings]]:
    """Yield each token that begins no phrase without meanings, and the first token of each phrase with its meanings."""
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
    """Return the phrases about positions, and those that only look like them."""
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
    """The meanings read so far, and the relation or object that the next word may belong to."""

    def __init__(self) -> None:
        self.wanted: list[str | _Relation] = []
        self.unwanted: list[str | _Relation] = []
        self._negated = self._negated_before = False
        self._relation, self._reach = "", 0
        self._pointed = False
        self._thing = ""

    def hear(self, meanings: Meanings) -> None:
        thing, self._thing = self._thing, ""
        for meaning in meanings:
            if meaning.startswith("+"):
                if thing:
                    return self._say(_Relation(meaning[1:], thing))
            elif meaning in _RELATIONS:
                self.let_go()
                self._relation, self._reach, self._pointed = meaning, _REACH, meaning in _POINTING
            elif meaning in _THINGS:
                self._name(meaning)
            elif meaning in _TURNS:
                self._turn(meaning)
            else:
                self._say(meaning)
            self._pointed &= meaning in _RELATIONS or (self._reach < _REACH and meaning != "whole")
        return self._wait(not meanings)

    def let_go(self) -> None:
        """Stop waiting for an object: a relation without one may still be a side or a depth, or its object is not in
        the book."""
        if self._relation and self._pointed and self._reach < _REACH and not self._negated:
            self._say(_Relation(self._relation, "thing"))
        if self._relation in _ALONE:
            self._say(_ALONE[self._relation])
        self._relation, self._pointed = "", False

    def _wait(self, plain: bool) -> None:
        self._reach -= plain
        if self._reach < 0:
            self.let_go()

    def _name(self, thing: str) -> None:
        if self._relation:
            self._say(_Relation(self._relation, thing))
        self._relation, self._thing = "", thing

    def _turn(self, word: str) -> None:
        """Handle negation: a comma ends a "not", and an "or" continues it."""
        if word in (".", "but"):
            self.let_go()
            self._negated = self._negated_before = False
        elif word == ",":
            self._negated, self._negated_before = False, self._negated or self._negated_before
        else:
            self._negated = word == "not" or self._negated or self._negated_before

    def _say(self, what: str | _Relation) -> None:
        (self.unwanted if self._negated else self.wanted).append(what)


def _words(said: list[str | _Relation]) -> Words:
    hung = "hang" in said
    stood = "stand" in said and not hung
    relations = [what for what in said if isinstance(what, _Relation)]
    surfaces = [surface for each in relations if (surface := _surface(each, hung, stood))]
    at_wall = any(each.thing == "wall" and not _surface(each, hung, stood) for each in relations)
    side = cast(Side | None, _first(said, get_args(Side)))
    return Words(
        side=side,
        depth=cast(Depth | None, _first(said, get_args(Depth))) or ("back" if at_wall and not side else None),
        corner="corner" in said,
        surface="wall" if hung else next(iter(surfaces), None),
        names_thing=any(each.thing not in ("wall", "floor") for each in relations),
    )


def _first(said: list[str | _Relation], wanted: tuple[str, ...]) -> str | None:
    return next((what for what in said if isinstance(what, str) and what in wanted), None)


def _surface(place: _Relation, hung: bool, stood: bool) -> Surface | None:
    """Return the surface that a relation implies; something that stands "at" or "on" a wall stands in front of it."""
    relation, thing = place
    on = relation == "on"
    if thing == "wall":
        return "wall" if on or (relation == "at" and not stood) else None
    if on and thing == "raised" and not hung:
        return "tabletop"
    if on and thing in ("rug", "floor"):
        return "floor"
    by_picture = thing == "picture" and relation in ("next_to", "left_of", "right_of") and not stood
    return "wall" if relation == "above" or by_picture else None
