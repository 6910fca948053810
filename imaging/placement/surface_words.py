"""Determines what a product stands on, lies on or hangs from: by its title, the caller's words, and its shape.

The word lists are English, German, French, Spanish and Chinese. A kind of product is taken from the instructions only
if it is the product that is meant: "lay the rug here", but not "beside the rug".
"""

import re
import unicodedata

import cv2
import numpy as np

from imaging.arrays import Lab, to_lab
from imaging.cutout import CutOut
from imaging.placement.text_placement import Surface, read

KINDS: dict[Surface, str] = {
    "rug": "rug carpet runner doormat bathmat playmat"
    " teppich laufer vorleger fussmatte badematte bettvorleger hochflorteppich kurzflorteppich"
    " tapis descente carpette paillasson"
    " alfombra alfombrilla felpudo tapete"
    " 地毯 毯子 地垫 脚垫",
    "wall": "poster painting canvas print picture artwork mirror clock wallclock tapestry sconce"
    " bild gemalde wandbild leinwandbild kunstdruck spiegel wanduhr wandspiegel wandteppich wandleuchte wandlampe"
    " wandregal"
    " tableau affiche miroir horloge applique cadre"
    " cuadro lamina espejo reloj aplique marco"
    " 画 挂画 装饰画 海报 镜子 挂钟 壁灯 相框",
    "tabletop": "vase mug cup bowl teapot jar jug plate candle candleholder candlestick tablelamp toaster mixer kettle"
    " blumenvase tasse becher schale schussel teekanne krug kerze kerzenhalter kerzenstander tischlampe tischleuchte"
    " wasserkocher wecker"
    " bol theiere bougie bougeoir pichet bouilloire"
    " jarron florero taza cuenco tetera vela portavelas jarra hervidor"
    " 花瓶 杯子 马克杯 碗 茶壶 蜡烛 烛台 台灯",
    "ceiling": "pendant chandelier pendantlamp ceilinglamp"
    " pendelleuchte hangeleuchte hangelampe deckenlampe deckenleuchte kronleuchter"
    " suspension lustre plafonnier"
    " plafon colgante"
    " 吊灯 吸顶灯",
}
PHRASES: dict[Surface, str] = {
    "floor": r"floor lamp|floor mirror|floor clock|grandfather clock|floor vase|stehlampe|bodenvase|standspiegel"
    r"|standuhr|lampadaire|lampara de pie|落地灯|落地镜",
    "rug": r"bath mat|play mat|door mat|area rug|tapis de",
    "wall": r"wall (?:clock|mirror|art|lamp|light|shelf|decor|hanging)|picture frame|curtain rod|art print",
    "tabletop": r"table lamp|desk lamp|bedside lamp|alarm clock|lampe de table|lampara de mesa|salt and pepper",
    "ceiling": r"(?:pendant|ceiling|hanging) (?:lamp|light|fan)|(?:from|on|at|to) (?:the )?ceiling|hanging plant"
    r"|(?:von|an) (?:der|die) (?:zimmer)?decke|(?:au|du) plafond|(?:del|al|en el) techo|lampara de techo|天花板",
}
"""Phrases that name a surface, whatever their words mean alone."""

_BEFORE_A_THING = re.compile(
    r"\b(?:on|onto|upon|beside|by|near|next|of|behind|under|above|over|between|against|opposite|at|in|to|with|from"
    r"|auf|neben|bei|hinter|unter|uber|zwischen|gegen|vor|an|am|im|zum|zur|mit"
    r"|sur|dans|pres|cote|derriere|sous|dessus|entre|contre|devant|avec"
    r"|sobre|en|junto|cerca|detras|debajo|encima|entre|contra|delante|con)\b"
)
_CHINESE_PLACE = re.compile(r"在([\u3400-\u9fff]{1,6})[上下旁边里前后]")
_FULL, _DISC_TOLERANCE = 0.95, 0.03
"""A cut-out is a rectangle if it covers this share of its box; a disc if its area is that of an ellipse within this."""
_ROUND = 0.08  # of 1: how far the width over height of a disc may be off
_SYMMETRIC, _SYMMETRIC_DISC = 7.0, 10.0
"""CIELAB: largest mean color difference between a rug and its mirror images; round patterns are less regular. Measured
on shop photos: rugs 5 and 9, furniture and pictures 12 and more."""

_PATTERN = 3.0  # CIELAB: least standard deviation of a pattern; a plain rectangle may be a cupboard or a pouf as well
_RIM = 2  # pixels of the reduced picture along its border, which show what is behind rounded corners
_VIEW = 24  # pixels of the reduced picture in which symmetry is judged: larger than any weave


def surface_by_words(instructions: str, product_name: str) -> Surface | None:
    """Return the surface that the words name. A position ("on the wall") takes precedence over the kind of product,
    except that a rug may lie "on the floor" and a pendant hang "above the table"."""
    place = read(instructions).surface
    phrase = _phrase(_plain(instructions))
    if phrase == "ceiling":
        return phrase
    kind = kind_of(product_name) or phrase or _kind(_BEFORE_A_THING.split(_without_places(instructions), maxsplit=1)[0])
    if kind == "ceiling" or (kind == "rug" and place in (None, "floor")):
        return kind
    return place or kind


def kind_of(product_name: str) -> Surface | None:
    """Return the surface that a shop's product title implies."""
    plain = _plain(product_name)
    return _phrase(plain) or _kind(plain)


def surface_by_shape(product: CutOut) -> Surface | None:
    """Return `rug` for a shape that looks like a rectangle or a disc from above and has a pattern that is symmetric in
    both directions; None for any other shape."""
    height, width = product.alpha.shape
    share = float(product.alpha.mean())
    is_disc = abs(share - np.pi / 4) < _DISC_TOLERANCE and abs(width / height - 1) < _ROUND
    if not (share >= _FULL or is_disc):
        return None
    small = cv2.resize(product.on_white, (_VIEW, _VIEW), interpolation=cv2.INTER_AREA)
    lab = to_lab(small)
    if _contrast(lab[_RIM:-_RIM, _RIM:-_RIM]) < _PATTERN:
        return None
    mirrored = max(float(np.linalg.norm(lab - lab[flip], axis=2).mean()) for flip in (np.s_[::-1], np.s_[:, ::-1]))
    return "rug" if mirrored <= (_SYMMETRIC_DISC if is_disc else _SYMMETRIC) else None


def _contrast(lab: Lab) -> float:
    """Return the largest standard deviation of a channel around a plane, which even shading is."""
    rows, columns = (index.ravel() - index.mean() for index in np.indices(lab.shape[:2], np.float64))
    plane, values = np.stack([np.ones_like(rows), rows, columns], axis=1), lab.reshape(-1, 3)
    rest = values - plane @ np.linalg.lstsq(plane, values, rcond=None)[0]
    return float(rest.std(axis=0).max())


def _plain(text: str) -> str:
    """Return the text in lower case without accents; `ß` becomes `ss`."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _without_places(instructions: str) -> str:
    """Return plain instructions without the words that Chinese puts between 在 and 上, 下, 旁, ..."""
    return _CHINESE_PLACE.sub("", _plain(instructions))


def _phrase(plain: str) -> Surface | None:
    return next((surface for surface, phrases in PHRASES.items() if re.search(rf"(?:{phrases})", plain)), None)


def _kind(plain: str) -> Surface | None:
    """Return the surface of the kind of product that the text names."""
    words = re.findall(r"[a-z0-9]+", plain)
    for surface, kinds in KINDS.items():
        latin = {kind for kind in kinds.split() if kind.isascii()}
        if any(word in latin or word.removesuffix("s") in latin or word.removesuffix("es") in latin for word in words):
            return surface
        if any(kind in plain for kind in kinds.split() if not kind.isascii()):
            return surface
    return None
