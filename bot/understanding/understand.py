"""One door to understanding, without Rasa: a text and its context in, `bot.model.Understanding` out.

Rasa's components (`components`) and ``helpline parse`` both go through `Understander`, so they cannot differ.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bot.model import Understanding
from bot.understanding import corpus
from bot.understanding.base import FloatArray, SentenceEncoder
from bot.understanding.classifier import Raw
from bot.understanding.decision import Decision, decide, is_bare_number, nothing_said
from bot.understanding.encoder import E5Encoder
from bot.understanding.encoder_cache import CachedEncoder
from bot.understanding.grader import Grader
from bot.understanding.heads import log_softmax
from bot.understanding.keywords import Keywords
from bot.understanding.language import UND, Guess
from bot.understanding.normalise import Views, views
from bot.understanding.notation import Pattern
from bot.understanding.parts import ModelError, Parts, load_current, pattern_languages, sizes_of, trained
from bot.understanding.patterns import PatternIndex
from bot.understanding.scripts import main_script

YES_NO_WEIGHT = 2.0
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Context:
    """What is known beside the text: the conversation's language, a weak hint of it, the question asked last, whether it wants yes or no."""

    language: str | None = None
    hint: str | None = None
    question: str | None = None
    expects: str | None = None

    @classmethod
    def of(cls, metadata: Mapping[str, Any] | Context | None) -> Context:
        """From a message's metadata; unknown keys are ignored, wrong types too."""
        if isinstance(metadata, Context):
            return metadata
        given = {k: v for k, v in (metadata or {}).items() if k in cls.__dataclass_fields__ and isinstance(v, str) and v}
        return cls(**given)


class Judge:
    """Everything after the classifier: patterns, keywords, grades, the decision. Shared by `Understander` and Rasa's `DangerGrader`."""

    def __init__(self, grader: Grader, keywords: Keywords, patterns: Sequence[Pattern], known_words: frozenset[str]) -> None:
        self.grader, self.keywords = grader, keywords
        self._index = PatternIndex(patterns, known_words)
        self._codes = sorted({p.language for p in patterns})

    def judge(
        self,
        seen: Sequence[Views],
        guesses: Sequence[Guess],
        contexts: Sequence[Context],
        raw: Raw,
        log_intents: FloatArray,
        intents: Sequence[str],
    ) -> list[Decision]:
        """One decision a text; ``raw`` and ``log_intents`` are the classifier's, rows in the order of ``seen``."""
        hits = [
            self._index.hits(v, pattern_languages(likely, c.language, main_script(v.words), self._codes))
            for v, (_, likely), c in zip(seen, guesses, contexts, strict=False)
        ]
        grades = self.grader.grade(raw, sizes_of(intents), log_intents, intents, hits)
        expected = np.array([YES_NO_WEIGHT * (i in ("affirm", "deny")) for i in intents], np.float32)
        made = []
        for v, (guess, _), context, row, grade, found in zip(seen, guesses, contexts, log_intents, grades, hits, strict=False):
            if context.expects == "yes_no":
                row = log_softmax(row + expected)
            shares = dict(zip(intents, np.exp(row).astype(float).tolist(), strict=False))
            if not v.words:
                made.append(nothing_said(shares))
                continue
            language = context.language or (guess.code if guess.code != UND else None)
            keyword = self.keywords.find(v, language)
            decision = decide(shares, grade, found, self.grader.thresholds, keyword, is_bare_number(v.words, self.keywords))
            made.append(replace(decision, fishing="fishing" in found))
        return made


class Understander:
    """Encoder and trained parts. Thread-safe after construction apart from lazily made matchers, which are idempotent."""

    def __init__(self, encoder: SentenceEncoder, parts: Parts) -> None:
        self.encoder, self.parts = encoder, parts
        self._judge = Judge(parts.grader, parts.keywords, parts.patterns, parts.known_words)

    @classmethod
    def load(cls, data: Path | None = None, var: Path | None = None, encoder: SentenceEncoder | None = None) -> Understander:
        """The model that was trained last in ``var`` (a second); trained now (minutes) only when there is none, as by `train`."""
        var = var or default_var()
        try:
            parts = load_current(var / "understanding")
        except ModelError:
            return cls.train(data, var, encoder)
        return cls(encoder or project_encoder(var), parts)

    @classmethod
    def train(cls, data: Path | None = None, var: Path | None = None, encoder: SentenceEncoder | None = None) -> Understander:
        """The model of the texts, patterns and keywords under ``data`` (default: the project's) as they are now."""
        data, var = data or ROOT / "data", var or default_var()
        encoder = encoder or project_encoder(var)
        cached = CachedEncoder(encoder, var / "encoder")
        return cls(encoder, trained(corpus.read(data / "nlu"), cached, data, var / "understanding"))

    def parse(self, text: str, context: Context | Mapping[str, Any] | None = None) -> Understanding:
        """Understands one text: about 5 ms. Never raises for a ``str``."""
        return self.parse_batch([text], [context])[0]

    def parse_batch(self, texts: Sequence[str], contexts: Sequence[Context | Mapping[str, Any] | None] | None = None) -> list[Understanding]:
        """The same for many texts at once, in order."""
        if not texts:
            return []
        given = [Context.of(c) for c in (contexts or [None] * len(texts))]
        seen = [views(t) for t in texts]
        guesses = [self.parts.language.identify(v, c.language, c.hint) for v, c in zip(seen, given, strict=False)]
        raw = self.parts.classifier.raw(seen, self.encoder.embed([v.clean for v in seen]))
        decisions = self._judge.judge(seen, guesses, given, raw, self.parts.classifier.joined(raw), self.parts.classifier.intents)
        return [
            Understanding(t, g.code, round(g.confidence, 4), d.intent, round(d.confidence, 4), d.danger, d.flags, d.ranking, d.fishing)
            for t, (g, _), d in zip(texts, guesses, decisions, strict=False)
        ]


def default_var() -> Path:
    """``HELPLINE_VAR``, default ``var/``."""
    return Path(os.environ.get("HELPLINE_VAR", "var"))


def project_encoder(var: Path, threads: int = 1) -> E5Encoder:
    """The bundled encoder with the project's committed update of its weights, if there is one; built under ``var`` on first use.

    One thread for single texts: two that fight over busy cores are slower than one. Training embeds thousands at once and takes all.
    """
    return E5Encoder(var / "encoder", update=ROOT / "data" / "encoder" / "update.npz", threads=threads)
