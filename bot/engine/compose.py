"""From phrases to outgoing replies: full form with buttons, or SMS within its segments with numbered options."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bot.engine.dialogue import Said
from bot.engine.options import LANGUAGE, MAX_SMS_OPTIONS, label
from bot.model import Button, Channel, Reply
from bot.phrases.catalog import Phrases
from bot.phrases.segments import MAX_SEGMENTS, count_segments, cut_to_segments

FULL_LIMIT = 1200
# Phrases that name their own choices as digits.
NUMBERED = frozenset({"freely.ask"})


class Composer:
    """Renders what a turn says in one language for one channel. Raises ``MissingPhrase``: the turn is void then."""

    def __init__(self, phrases: Phrases) -> None:
        """Use ``phrases`` for every word."""
        self.phrases = phrases

    def text(self, said: Said, language: str, channel: Channel) -> str:
        """One phrase in the form of the channel."""
        params = dict(said.params or {})
        count = params.pop("count", None)
        form = "short" if channel is Channel.SMS else "full"
        word = self.phrases.text("word.erase", language)
        return self.phrases.text(said.phrase, language, form, count=int(count) if count else None, erase_word=word, **params)

    def compose(self, said: Sequence[Said], options: tuple[str, ...], language: str, channel: Channel) -> tuple[tuple[Reply, ...], tuple[str, ...]]:
        """Return the replies, and the options that they really offer, in the order of their numbers."""
        texts = [self.text(one, language, channel) for one in said]
        if not texts:
            return (), ()
        if channel is Channel.SMS:
            return self._sms(texts, options, language, listed=said[-1].phrase not in NUMBERED)
        buttons = tuple(Button(option, label(self.phrases, option, language, "full")) for option in options)
        groups = _joined(texts, "\n\n", lambda text: len(text) <= FULL_LIMIT)
        replies = [Reply(text) for text in groups[:-1]] + [Reply(groups[-1], buttons)]
        return tuple(replies), options

    def _sms(self, texts: list[str], options: tuple[str, ...], language: str, listed: bool) -> tuple[tuple[Reply, ...], tuple[str, ...]]:
        if len(options) > MAX_SMS_OPTIONS and all(option.startswith(LANGUAGE) for option in options):
            texts = [*texts, ", ".join(label(self.phrases, option, language, "short") for option in options)]
            options = ()
        parts = [part for text in _joined(texts, "\n", _fits) for part in cut_to_segments(text)]
        options = options[:MAX_SMS_OPTIONS]
        # Options go with the last part; what does not fit is left out from the end, and the number is never left out of the text for it.
        while listed and options and not _fits(f"{parts[-1]}\n{self._numbered(options, language)}"):
            options = options[:-1]
        if listed and options:
            parts[-1] = f"{parts[-1]}\n{self._numbered(options, language)}"
        buttons = tuple(Button(option, label(self.phrases, option, language, "short")) for option in options)
        replies = [Reply(part, (), count_segments(part)) for part in parts[:-1]]
        replies.append(Reply(parts[-1], buttons, count_segments(parts[-1])))
        return tuple(replies), options

    def _numbered(self, options: tuple[str, ...], language: str) -> str:
        return "\n".join(f"{number} {label(self.phrases, option, language, 'short')}" for number, option in enumerate(options, 1))


def _fits(text: str) -> bool:
    return count_segments(text) <= MAX_SEGMENTS


def _joined(texts: list[str], between: str, fits: Callable[[str], bool]) -> list[str]:
    """Join neighbours for as long as the result fits."""
    result = [texts[0]]
    for text in texts[1:]:
        together = f"{result[-1]}{between}{text}"
        if fits(together):
            result[-1] = together
        else:
            result.append(text)
    return result
