"""Which language a conversation is answered in: the text, what was used before, a choice that wins, a guess last."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from bot.model import ConversationState, Understanding

DEFAULT = "en"
SURE = 0.8
PLAUSIBLE = 0.5
WORDS_TO_SWITCH = 3
MESSAGES_TO_ASK = 3
# Scripts without spaces: this many letters count as a word.
_UNSPACED_LETTERS = 6


@dataclass(frozen=True)
class LanguageDecision:
    """``reply`` is a language of the table. ``guessed``: only a hint or the default. ``unknown``: theirs is none of ours.

    ``offer`` is a language to offer, after several messages in it while another was chosen.
    """

    reply: str
    state: ConversationState
    guessed: bool = False
    unknown: bool = False
    offer: str | None = None


def count_words(text: str) -> int:
    """Words of a text; a script that writes without spaces counts by its length."""
    words = text.split()
    unspaced = sum("\u0e00" <= c <= "\u0eff" or "\u1000" <= c <= "\u109f" or "\u1780" <= c <= "\u17ff" or "\u3040" <= c <= "\u9fff" for c in text)
    return max(len(words), unspaced // _UNSPACED_LETTERS)


def decide_language(state: ConversationState, read: Understanding | None, hint: str | None, languages: frozenset[str]) -> LanguageDecision:
    """Decide for one message. ``read`` is ``None`` for a button or a picture; ``hint`` is any language tag or ``None``."""
    guess = _known(hint, languages)
    before = state.language or guess or DEFAULT
    if read is None:
        return LanguageDecision(before, replace(state, language=state.language or guess), guessed=state.language is None)
    long_enough = count_words(read.text) >= WORDS_TO_SWITCH
    seen, sure = read.language, read.language_confidence
    if seen == "und" or (seen not in languages and not (long_enough and sure >= SURE)):
        return LanguageDecision(before, state, guessed=state.language is None)
    if seen not in languages:
        if state.language is not None:
            return LanguageDecision(before, state)
        return LanguageDecision(DEFAULT, state, unknown=True)
    if state.language is None:
        clear = sure >= PLAUSIBLE and (guess is None or long_enough or sure >= SURE)
        if clear or guess is None:
            return LanguageDecision(seen, replace(state, language=seen), guessed=sure < PLAUSIBLE)
        return LanguageDecision(guess, state, guessed=True)
    if seen == state.language:
        return LanguageDecision(before, replace(state, other_language=None, other_language_count=0))
    if not (long_enough and sure >= SURE):
        return LanguageDecision(before, state)
    if not state.language_chosen:
        return LanguageDecision(seen, replace(state, language=seen, other_language=None, other_language_count=0))
    count = state.other_language_count + 1 if state.other_language == seen else 1
    if count < MESSAGES_TO_ASK:
        return LanguageDecision(before, replace(state, other_language=seen, other_language_count=count))
    return LanguageDecision(before, replace(state, other_language=None, other_language_count=0), offer=seen)


def likely(seen: str | None, hint: str | None, current: str, languages: tuple[str, ...], most: int) -> tuple[str, ...]:
    """A few languages to show first: theirs, the hinted one, then those that most people here understand; not the current one."""
    first = [_known(seen, frozenset(languages)), _known(hint, frozenset(languages)), "en", "fi", "ru", "ar", "sv", "so"]
    result: list[str] = []
    for code in first:
        if code and code in languages and code != current and code not in result:
            result.append(code)
    return tuple(result[:most])


class LanguageNames:
    """Names of languages as people write them, from the keyword files and the table's own names."""

    def __init__(self, names: dict[str, str]) -> None:
        """``names``: casefolded name → code."""
        self._names = names

    @classmethod
    def load(cls, keywords: Path, own: dict[str, str]) -> LanguageNames:
        """Read ``data/keywords/*.yml``; ``own`` is code → own name. A name that two files give to two languages is dropped."""
        names: dict[str, str] = {}
        torn: set[str] = set()
        for path in sorted(keywords.glob("*.yml")):
            table = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("languages") or {}
            for code, words in table.items():
                for word in words or ():
                    key = str(word).casefold().strip()
                    if names.setdefault(key, str(code)) != str(code):
                        torn.add(key)
        for code, name in own.items():
            for part in name.split("/"):
                names[part.casefold().strip()] = code
        return cls({name: code for name, code in names.items() if name not in torn})

    def find(self, text: str, languages: frozenset[str]) -> str | None:
        """The last language of ``languages`` that ``text`` names ("answer me in Arabic"), or ``None``."""
        clean = "".join(c if c.isalnum() or c.isspace() or c in "'ʼ’-" else " " for c in text.casefold())
        if clean.strip() in self._names:
            code = self._names[clean.strip()]
            return code if code in languages else None
        found = None
        for word in clean.split():
            code_of_word = self._names.get(word)
            if code_of_word in languages:
                found = code_of_word
        if found is None:  # scripts without spaces
            for name, code in self._names.items():
                if len(name) >= 3 and not name.isascii() and name in clean and code in languages:
                    found = code
        return found


def _known(tag: str | None, languages: frozenset[str]) -> str | None:
    """The table's code of a language tag such as ``fa-AF``, or ``None``."""
    code = (tag or "").replace("_", "-").split("-")[0].casefold()
    code = {"prs": "fa", "fil": "tl", "nb": "sv", "nn": "sv"}.get(code, code)
    return code if code in languages else None
