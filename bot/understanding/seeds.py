"""Words of languages that we have no training texts in, so that they are identified as themselves.

Function words and sample sentences come with spaCy (MIT); Swahili, which it lacks, has a few of the commonest words here.
A language with a file in ``data/nlu`` needs no seed and gets none.
"""

from __future__ import annotations

from importlib import import_module

SPACY = ("am ti hi ne mr az bg ca cs da de el es et fr hr hu id is it kmr lt lv mk nb nl pl pt ro sk sl sq sr sv tl tr uk ur vi ru ar fa fi en").split()
RENAMED = {"nb": "no", "nn": "no", "kmr": "ku", "bs": "hr", "zh-cn": "zh"}
SWAHILI = (
    "habari mimi wewe yeye sisi nyinyi wao ni na ya wa kwa katika hapa pale sana asante tafadhali nisaidie msaada ninahitaji nahitaji naomba "
    "kazi pesa mshahara bosi mwajiri pasipoti polisi hospitali daktari nyumba nyumbani watoto mtoto mama baba mume mke dada kaka rafiki leo kesho "
    "jana sasa hivi ndiyo hapana sijui najua nina sina hana anataka ananipiga ananitisha ninaogopa naogopa wapi nani nini lini gani kwanini vipi "
    "je unaweza naweza siwezi kuongea kusaidia kwenda kutoka kurudi kulala kula maji chakula lugha kiswahili kiingereza nchi mji siku usiku wiki "
    "mwezi mwaka lakini kama kwamba kwa sababu hata tu pia bado tena wengi watu mtu msichana mwanamke mwanaume simu namba nambari bure gharama"
)


def seeds(skip: set[str]) -> dict[str, list[str]]:
    """Code → short texts (words one by one, and sentences) of every seeded language that is not in ``skip``."""
    found: dict[str, list[str]] = {}
    for name in SPACY:
        code = RENAMED.get(name, name)
        if code in skip:
            continue
        found[code] = sorted(import_module(f"spacy.lang.{name}.stop_words").STOP_WORDS)
        try:
            found[code] += list(import_module(f"spacy.lang.{name}.examples").sentences) * 2
        except ImportError:
            continue
    if "sw" not in skip:
        found["sw"] = SWAHILI.split()
    return found
