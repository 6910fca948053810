"""Derive the kind of a scene and its colors from a caller's words, in five languages."""

import re
import unicodedata
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from imaging.scenes.materials import Material, rgb

KINDS = {
    "living_room": """living room, lounge, sitting room, family room, studio apartment, studio flat, wohnzimmer,
        wohnbereich, salon, sejour, sala, sala de estar, cuarto de estar, 客厅, 客廳, 起居室""",
    "bedroom": """bedroom, guest room, nursery, schlafzimmer, kinderzimmer, gastezimmer, chambre, dormitorio,
        habitacion, recamara, alcoba, 卧室, 臥室, 睡房, 儿童房""",
    "kitchen": "kitchen, kuche, cuisine, cocina, 厨房, 廚房",
    "dining_room": """dining, breakfast room, restaurant, bistro, esszimmer, essbereich, speisezimmer, salle a manger,
        comedor, 餐厅, 餐廳, 饭厅""",
    "bathroom": """bath, bathroom, washroom, toilet, spa, bad, badezimmer, salle de bain, salle d eau, bano, 浴室,
        卫生间, 洗手间""",
    "office": "office, study, workspace, buro, arbeitszimmer, bureau, oficina, despacho, 办公, 辦公, 书房, 書房",
    "outdoor": """outdoor, outside, garden, terrace, patio, balcony, backyard, sun deck, wooden deck, lawn, rooftop,
        garten, terrasse, balkon, draussen, im freien, jardin, balcon, exterieur, exterior, aire libre, terraza, 户外,
        室外, 花园, 花園, 阳台, 露台, 庭院""",
    "studio": """studio, backdrop, plain background, white background, estudio, hintergrund, fond blanc, fondo blanco,
        摄影棚, 攝影棚, 影棚, 纯色背景, 白色背景""",
}
"""Names of each kind of scene in English, German, French, Spanish and Chinese, without accents."""

THINGS = {
    "living_room": "sofa, couch, fireplace, kamin, canape, cheminee, chimenea, 沙发, 壁炉",
    "bedroom": "bed, bett, cama, 床",
    "kitchen": "cooking, stove, herd, cuisiniere, estufa, 灶",
    "dining_room": "dinner, meal, esstisch, repas, cena, 餐桌",
    "bathroom": "shower, tub, dusche, badewanne, douche, baignoire, ducha, 淋浴, 浴缸",
    "office": "desk, computer, schreibtisch, ordinateur, escritorio, 书桌, 办公桌",
    "outdoor": """beach, sea, pool, forest, meadow, strand, meer, wald, wiese, plage, foret, playa, bosque, 海滩, 沙滩,
        海边, 森林, 草地""",
    "studio": "seamless, plain, catalog, catalog, freisteller, packshot",
}
"""Things found in each kind of scene; used only if no name is found."""

MOODS = {
    "nordic": "nordic, scandi, hygge, skandi, nordisch, nordique, escandinav, nordico, 北欧, 斯堪的纳维亚",
    "sage": "sage, botanical, natur, boho, bohem, green, grune, verte, verde, 自然, 绿, 田园, 波西米亚",
    "terracotta": """terracotta, mediterran, warm, warme, rustic, country, farmhouse, autumn, landhaus, rustikal,
        herbst, rustique, campagne, chaleureu, rustico, calido, 地中海, 温馨, 乡村, 暖""",
    "navy": "navy, classic, blue, hampton, klassisch, blaue, classique, bleu, clasico, azul, 经典, 古典, 蓝",
    "blush": "blush, pink, pastel, romantic, rosa, romantisch, rose, romantique, romantico, 粉, 浪漫",
    "industrial": """industrial, loft, brick, concrete, industri, backstein, beton, brique, ladrillo, hormigon, 工业,
        工業, 砖, 水泥""",
    "japandi": "japandi, japan, zen, minimal, wabi, asian, 日式, 极简, 侘寂, 禅, 简约",
    "coastal": "coast, beach, sea, maritim, strand, kuste, plage, bord de mer, playa, costa, marin, 海",
    "charcoal": """charcoal, luxur, dark, elegant, moody, black, glamour, dunkle, schwarz, luxe, sombre, noir, lujo,
        oscuro, negro, 奢华, 豪华, 深色, 黑""",
    "white": """white, modern, clean, contempor, bright, weiss, helle, blanc, lumineu, blanco, luminoso, 现代, 現代,
        白, 明亮""",
}
"""Words that ask for a palette."""

EVENING = """evening, at night, by night, sunset, dusk, candle, abend, bei nacht, nachts, sonnenuntergang, dammerung,
    soir, la nuit, crepuscul, la noche, atardecer, anochecer, 傍晚, 夜, 晚, 黄昏"""

PALETTES = {
    #             wall   feature floor  wood   fabric spice  rug    metal
    "nordic": "efebe4 d5dbd6 cfb189 c39c6d 93a0a6 d9a14e ebe5d9 3a3a3c",
    "sage": "eeece3 a9b5a0 bd9668 a57c50 ddd3c0 bf7553 d9d4c4 a98a58",
    "terracotta": "f1e6d9 d7a78c b78a60 8d6242 d5c3ae ae5a41 ebdfd0 3a312c",
    "navy": "eaedee 7f97a9 c3a27a 986d48 566f88 dfb46e e2e2de b89a60",
    "blush": "f3ebe6 dfc0b5 ccad86 bf9870 d3aea4 8b9a87 efe7df b99268",
    "industrial": "d3cec7 b07a60 9c8267 7b583a 8c6a4e 46565e b3aba2 2a2a2b",
    "japandi": "ebe4d9 cdbfa6 bb9d77 75543b d0c7b8 66735f e0d7c8 302e2c",
    "coastal": "f2f3f0 b3cbd2 d6c3a5 c8ab84 efebe1 5488a1 dde2de c9c6bd",
    "charcoal": "c4c3c0 585f61 94704f 5f432f bcae98 bb8d45 c9c0b1 bd9f5f",
    "white": "f4f3f1 dfdfdd c9b595 bda27c c8c8c6 6d8a8c e6e4df 4a4a4c",
}


@dataclass(frozen=True)
class Style:
    """The materials of a scene: `feature` for an accent wall, `fabric` for large textiles, `spice` for accents."""

    name: str
    wall: Material
    feature: Material
    floor: Material
    wood: Material
    fabric: Material
    spice: Material
    rug: Material
    metal: Material
    evening: bool = False

    @property
    def timber(self) -> Material:
        """Return wood with visible grain."""
        return self.wood.textured("wood", 1)

    @property
    def shade(self) -> Material:
        """Return the material of lampshades."""
        return Material(rgb("fff0d6"), glow=1.15) if self.evening else Material(rgb("ede8df"))


def read_kind(text: str) -> str | None:
    """Return the kind of scene named first in `text`, else that of the first thing named; None if there is none."""
    plain = _plain(text)
    return _first(plain, KINDS) or _first(plain, THINGS)


def read_style(text: str, rng: np.random.Generator) -> Style:
    """Return the colors that `text` asks for, or else a random palette; unknown text always gives the same one."""
    plain = _plain(text)
    names = list(PALETTES)
    drawn = names[int(rng.integers(len(names)))]
    unknown = names[zlib.crc32(plain.encode()) % len(names)]
    name = _first(plain, MOODS) or (drawn if read_kind(text) else unknown)
    return _style(name, evening=_found(plain, EVENING) is not None, tone=float(rng.uniform(-0.15, 0.15)))


def _style(name: str, *, evening: bool, tone: float) -> Style:
    """Return the style of a palette; `tone` makes the woods paler (up to 1) or darker (down to -1)."""
    wall, feature, floor, wood, fabric, spice, rug, metal = (Material(rgb(code)) for code in PALETTES[name].split())
    stain = rgb("fff4e0") if tone > 0 else rgb("3a2415")
    floor, wood = (material.towards(abs(tone), stain) for material in (floor, wood))
    return Style(name, wall, feature, floor, wood, fabric, spice, rug, metal, evening)


def _plain(text: str) -> str:
    """Return `text` in lower case without accents, with single spaces between and around words."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return " " + re.sub(r"[\W_]+", " ", bare).strip() + " "


def _first(plain: str, names: Mapping[str, str]) -> str | None:
    """Return the key whose words come first in the text; of several at one position, the one with the longest word."""
    found = {key: place for key, words in names.items() if (place := _found(plain, words))}
    return min(found, key=lambda key: found[key]) if found else None


def _found(plain: str, words: str) -> tuple[int, int] | None:
    """Return the position of the first comma-separated word found, and its negated length; None if none is found.

    Short words must stand alone, longer ones may be part of a compound; Chinese has no spaces.
    """
    places = []
    for word in re.split(r",\s+", words):
        sought = f" {word} " if word.isascii() and len(word) < 5 else word
        if (place := plain.find(sought)) >= 0:
            places.append((place + (sought != word), -len(word)))
    return min(places, default=None)
