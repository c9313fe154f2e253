"""One small model for all tests of understanding: trained once a session on a few hand-made texts, with a fake encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bot.understanding.base import FloatArray
from bot.understanding.corpus import Example
from bot.understanding.parts import Parts, train
from bot.understanding.understand import Understander

TEXTS: dict[tuple[str, str], list[str]] = {
    ("report_emergency", "en"): [
        "he is beating me right now",
        "help he has a knife",
        "they are breaking the door",
        "i am bleeding and locked in",
    ],
    ("ask_cost", "en"): ["is this free of charge", "how much does the help cost", "do i have to pay you", "what does a call cost"],
    ("ask_human", "en"): ["can i talk to a person", "please call me", "i want to speak with a worker", "let me talk to someone"],
    ("cannot_talk_now", "en"): [
        "he is reading my phone stop",
        "cannot write someone is next to me",
        "not now he is coming",
        "dont write he sees this",
    ],
    ("stop_messages", "en"): ["unsubscribe me please", "send me no more messages", "remove my number from your list", "quit texting me"],
    ("affirm", "en"): ["yes please", "of course yes", "that is right", "yes i can"],
    ("deny", "en"): ["no thank you", "no i cannot", "not at all", "no never"],
    ("out_of_scope", "en"): ["what is the weather tomorrow", "tell me a joke", "who won the football", "asdf qwerty"],
    ("report_emergency", "fi"): ["hän hakkaa mua nyt", "apua sillä on puukko", "ne rikkoo oven", "vuodan verta ja ovi on lukossa"],
    ("ask_cost", "fi"): ["onko tämä ilmaista", "paljonko apu maksaa", "pitääkö minun maksaa teille", "mitä soitto maksaa"],
    ("ask_human", "fi"): ["haluan puhua ihmisen kanssa", "soittakaa minulle", "saanko työntekijän", "voiko joku jutella kanssani"],
    ("cannot_talk_now", "fi"): [
        "se lukee mun puhelinta lopeta",
        "en voi kirjoittaa joku on vieressä",
        "ei nyt hän tulee",
        "älä kirjoita se näkee",
    ],
    ("stop_messages", "fi"): ["en halua enää viestejä", "poistakaa numeroni listalta", "lopettakaa viestien lähetys", "peruuta tilaus"],
    ("affirm", "fi"): ["kyllä kiitos", "joo totta kai", "pitää paikkansa", "kyllä voin"],
    ("deny", "fi"): ["ei kiitos", "en voi", "ei todellakaan", "en ikinä"],
    ("out_of_scope", "fi"): ["millainen sää on huomenna", "kerro vitsi", "kuka voitti jalkapallon", "asdf öö"],
    ("report_emergency", "ru"): ["он бьет меня сейчас", "помогите у него нож", "они ломают дверь", "у меня кровь и дверь закрыта"],
    ("ask_cost", "ru"): ["это бесплатно", "сколько стоит помощь", "нужно ли мне платить вам", "сколько стоит звонок"],
    ("ask_cost", "ru-Latn"): ["skolko stoit zvonok", "eto besplatno", "nuzhno li mne platit vam", "skolko stoit pomosch"],
    ("out_of_scope", "ru"): ["какая погода завтра", "расскажи анекдот", "кто выиграл футбол", "йцукен фыва"],
}


class FakeEncoder:
    """Hashed words as vectors: no meaning, but the same text gives the same vector."""

    dim = 64
    fingerprint = "fake"

    def embed(self, texts: Sequence[str]) -> FloatArray:
        made = np.zeros((len(texts), self.dim), np.float32)
        for i, text in enumerate(texts):
            for word in text.split() or ["?"]:
                made[i, int(hashlib.md5(word.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()[:8], 16) % self.dim] += 1.0
        return made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-9)


DANGER_EN = """
language: en
now: ["(has|have) _ knife", "beating me"]
possible: ["afraid _ kill"]
quiet: ["reading _ phone", "next to me"]
minor: ["i am 15"]
self_harm: []
text_only: []
not_now: ["in the movie", "last year"]
"""
KEYWORDS = {
    "en": "language: en\nyes: ['yes']\nno: ['no']\nstop: [stop]\nhelp: [help]\nerase: [erase]\nlanguages: {fi: [finnish]}\n",
    "fi": "language: fi\nyes: [joo]\nno: [ei]\nstop: [seis]\nhelp: [apua]\nquiet: [hiljaa]\n",
    "sq": "language: sq\nyes: [po]\nno: [joo]\n",
}


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like ``data/`` with patterns and keywords."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("danger", "keywords", "nlu"):
        (folder / name).mkdir()
    (folder / "danger" / "en.yml").write_text(DANGER_EN, encoding="utf-8")
    for code, text in KEYWORDS.items():
        (folder / "keywords" / f"{code}.yml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def examples() -> list[Example]:
    return [
        Example(t, intent, language[:2], "plain", "now" if intent == "report_emergency" else "none")
        for (intent, language), texts in TEXTS.items()
        for t in texts
    ]


@pytest.fixture(scope="session")
def parts(examples: list[Example], data: Path) -> Parts:
    return train(examples, FakeEncoder(), data)


@pytest.fixture(scope="session")
def understander(parts: Parts) -> Understander:
    return Understander(FakeEncoder(), parts)
