"""Options beside a reply: which are true now, what they mean when chosen, and how a typed answer names one."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from bot.phrases.catalog import MissingPhrase, Phrases

MAX_SMS_OPTIONS = 5
MAX_LIKELY_LANGUAGES = 4
LANGUAGE = "lang:"
CRY_FOR_HELP = "help"
"""The option behind the command ``/help``: like the word, a cry for help before it is a keyword."""


@dataclass(frozen=True)
class Chosen:
    """What a chosen option stands for: an intent for the rules, and the ``choice`` that actions and forms read."""

    intent: str
    choice: str | None = None


# Options that are no intent of their own. Every other option's id is the intent that it stands for.
_SPECIAL: dict[str, Chosen] = {
    "yes": Chosen("affirm", "yes"),
    "no": Chosen("deny", "no"),
    "skip": Chosen("deny", "skip"),
    "leave": Chosen("deny", "leave"),
    "other_number": Chosen("deny", "other_number"),
    "write_here": Chosen("ask_human", "write_here"),
    "call_me": Chosen("ask_human", "call_me"),
    "i_will_call": Chosen("ask_contact", "i_will_call"),
    "cannot_speak": Chosen("report_emergency", "cannot_speak"),
    "self_check": Chosen("ask_am_i_victim", "self_check"),
    "email": Chosen("ask_contact", "email"),
    "crisis": Chosen("ask_contact", "crisis"),
    "more_languages": Chosen("change_language", "more_languages"),
    "delete_conversation": Chosen("delete_conversation", "erase_now"),
    "help": Chosen("ask_human"),
}


def chosen(option: str, intents: frozenset[str], languages: frozenset[str]) -> Chosen | None:
    """What ``option`` stands for, or ``None`` for an id that we never gave out."""
    if option in _SPECIAL:
        return _SPECIAL[option]
    if option.startswith(LANGUAGE):
        return Chosen("change_language", option) if option.removeprefix(LANGUAGE) in languages else None
    return Chosen(option, None) if option in intents and option not in ("report_emergency", "affirm", "deny") else None


def expand(options: tuple[str, ...], *, staffed: bool, call_back: bool, languages: tuple[str, ...]) -> tuple[str, ...]:
    """Replace what depends on duty by what is true now, without doubles, in order.

    ``worker`` becomes a worker here and the number, or the number and a call back; ``call_way`` the part without the
    number; ``all_languages`` every language of the table.
    """
    person = ("ask_human",) if staffed else (("call_me",) if call_back else ())
    known = {
        "worker": (*person, "ask_contact") if staffed else ("ask_contact", *person),
        "call_way": person,
        "all_languages": tuple(LANGUAGE + code for code in languages),
    }
    result: list[str] = []
    for option in options:
        result += [one for one in known.get(option, (option,)) if one not in result]
    return tuple(result)


def label(phrases: Phrases, option: str, language: str, form: str) -> str:
    """What the person reads on an option. A language is called by its own name. Raises ``MissingPhrase``."""
    if option.startswith(LANGUAGE):
        row = phrases.languages.get(option.removeprefix(LANGUAGE))
        if row is None:
            raise MissingPhrase(f"no language {option}")
        return row.name
    return phrases.text(f"option.{option}", language, form)


def typed(text: str, options: tuple[str, ...], phrases: Phrases, language: str) -> str | None:
    """The option that a typed digit (of any script) or label names, or ``None``."""
    clean = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text).strip().strip(".)،。 ").casefold()
    if clean.isascii() and clean.isdigit() and len(clean) <= 2:
        return options[int(clean) - 1] if 1 <= int(clean) <= len(options) else None
    for option in options:
        for form in ("short", "full"):
            try:
                if label(phrases, option, language, form).casefold() == clean:
                    return option
            except MissingPhrase:
                continue
    return None
