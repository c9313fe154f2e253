"""Which language a text is in: script first, then our own n-grams, joined with the votes of two libraries.

Our n-gram table is trained on ``data/nlu`` (native and Latin-letter spelling apart) and on seed words of other languages; a library's
vote counts for languages that we have no texts in. The weights of the join are fitted on texts that the table has not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from bot.understanding.base import FloatArray
from bot.understanding.corpus import Example
from bot.understanding.ngrams import hashed
from bot.understanding.ngrams import words as hashed_words
from bot.understanding.normalise import Views, fold, views
from bot.understanding.scripts import ONE_LANGUAGE, language_script, main_script, telling_language
from bot.understanding.seeds import RENAMED, seeds

BITS = 17
PRIOR_STRENGTH = 1500.0
SHORT_LETTERS = 5
UND = "und"
# a, Latin-letter class, seeded class, unknown class, eldc, eldc when sure, py3langid, both agree
# Languages a library may vote for: those of people likely to write here; small languages near them only draw wrong votes.
LIKELY = frozenset(
    "am ar az be bg bn ca cs da de el en es et fa fi fr gu he hi hr hu hy id is it ja ka kk km kn ko ku ky lo lt lv mk ml mn mr ms nb ne nl no "
    "pa pl ps pt ro ru sk si sl sq sr sv sw ta te th tl tr ug uk ur vi yo zh".split()
)
START = np.array([0.08, -0.5, -1.0, 0.0, 1.0, 1.5, 1.0, 0.5])


@dataclass(frozen=True)
class LanguageGuess:
    """``code`` of the table, another ISO 639 code, or ``und``; ``confidence`` a calibrated probability."""

    code: str
    confidence: float


Guess = tuple[LanguageGuess, dict[str, float]]


class Votes:
    """What the libraries say; loaded on first use (eldc in a moment, py3langid 0.07 s)."""

    def __init__(self) -> None:
        import eldc
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        eldc.init()
        eldc.set_languages([c for c in eldc.LANGUAGES if c in LIKELY])
        self._eldc: Any = eldc
        self._py3: Any = LanguageIdentifier.from_pickled_model(MODEL_FILE, norm_probs=False)
        self._py3.set_languages([c for c in self._py3.nb_classes if c in LIKELY])

    def of(self, text: str) -> tuple[str, bool, str]:
        """(eldc's language, whether it is sure, py3langid's language); ``und`` where a library says nothing."""
        result = self._eldc.detect_details(text)
        other = str(self._py3.classify(text)[0]) if text else UND
        return RENAMED.get(result.language, result.language), bool(result.reliable), RENAMED.get(other, other)


def _features(texts: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    rows, buckets, _orders = hashed(texts, 1, 4, BITS)
    word_rows, word_buckets, _ = hashed_words(texts, 1, BITS, salt=7)
    return np.concatenate([rows, word_rows, word_rows]), np.concatenate([buckets, word_buckets, (word_buckets + 1) % (1 << BITS)])


class NgramTable:
    """Naive Bayes over hashed n-grams: log ratio of every class to the background, shape (2**BITS, classes)."""

    def __init__(self, classes: Sequence[str], ratios: npt.NDArray[np.float16]) -> None:
        self.classes = list(classes)
        self.ratios = ratios

    @classmethod
    def train(cls, texts: Mapping[str, Sequence[str]]) -> NgramTable:
        names = sorted(texts)
        counts = np.zeros((len(names), 1 << BITS), np.float32)
        for i, name in enumerate(names):
            _rows, buckets = _features(texts[name])
            counts[i] = np.minimum(np.bincount(buckets, minlength=1 << BITS), 3000)
        totals = counts.sum(axis=1, keepdims=True)
        shares = counts / np.maximum(totals, 1.0) * np.minimum(1.0, totals / 20_000)
        background = shares.sum(axis=0) + 0.02 / (1 << BITS)
        background /= background.sum()
        smooth = (counts + PRIOR_STRENGTH * background) / (totals + PRIOR_STRENGTH)
        ratios = np.log(smooth / background, dtype=np.float32)
        return cls(names, np.ascontiguousarray(np.clip(ratios, -9, 9).T.astype(np.float16)))

    def scores(self, texts: Sequence[str]) -> FloatArray:
        """Summed log ratios divided by the root of the number of n-grams, shape (texts, classes)."""
        rows, buckets = _features(texts)
        result = np.zeros((len(texts), len(self.classes)), np.float32)
        lengths = np.bincount(rows, minlength=len(texts)).astype(np.float32)
        if len(texts) == 1:
            result[0] = self.ratios[buckets].astype(np.float32).sum(axis=0)
        else:
            order = np.argsort(rows, kind="stable")
            for i, chunk in enumerate(np.split(buckets[order], np.cumsum(lengths.astype(int))[:-1])):
                result[i] = self.ratios[chunk].astype(np.float32).sum(axis=0)
        return cast(FloatArray, result / np.sqrt(np.maximum(lengths, 1.0))[:, None])


def training_classes(examples: Sequence[Example]) -> dict[str, list[str]]:
    """Class (``ru``, ``ru-Latn``, ``de``…) → texts in the words view, with made views: lost diacritics, romanised spelling."""
    found: dict[str, list[str]] = {}
    for example in examples:
        seen = views(example.text)
        native = language_script(example.language)
        if native == "Latin":
            found.setdefault(example.language, []).append(seen.words)
            if seen.folded != seen.words:
                found[example.language].append(seen.folded)
        elif main_script(seen.words) in ("Latin", None):
            found.setdefault(f"{example.language}-Latn", []).extend([seen.words] * 2)
        else:
            found.setdefault(example.language, []).append(seen.words)
            if native in ("Cyrillic", "Arabic"):
                found.setdefault(f"{example.language}-Latn", []).append(seen.latin)
    ours = {e.language for e in examples}
    for code, texts in seeds(ours).items():
        cleaned = [views(t).words for t in texts]
        found[code] = cleaned + [fold(t) for t in cleaned if fold(t) != t and language_script(code) == "Latin"]
    return found


class LanguageModel:
    """Table, votes and the fitted weights that join them."""

    def __init__(self, table: NgramTable, weights: npt.NDArray[np.float64], ours: Sequence[str]) -> None:
        self.table, self.weights, self.ours = table, weights, sorted(ours)
        self.votes = Votes()
        self._kinds = np.array([1 if c.endswith("-Latn") else (0 if c in self.ours else 2) for c in table.classes])
        self._codes = [c.split("-")[0] for c in table.classes]
        self._scripts = ["Latin" if c.endswith("-Latn") else language_script(c) for c in table.classes]

    def _candidates(self, scores: FloatArray, text: str, script: str | None) -> tuple[list[str], npt.NDArray[np.float64]]:
        """Codes and their features, shape (codes, features)."""
        eldc, sure, other = self.votes.of(text)
        best: dict[str, tuple[float, int]] = {}
        for code, kind, home, score in zip(self._codes, self._kinds, self._scripts, scores, strict=False):
            if home == script and (code not in best or score > best[code][0]):
                best[code] = (float(score), int(kind))
        for code in (eldc, other):
            if code != UND and code not in best and language_script(code) == script:
                best[code] = (0.0, 3)
        codes = list(best)
        rows = np.zeros((len(codes), len(START)))
        for i, code in enumerate(codes):
            score, kind = best[code]
            rows[i, 0] = score
            if kind:
                rows[i, kind] = 1.0
            rows[i, 4:8] = code == eldc, code == eldc and sure, code == other, code == eldc == other
        return codes, rows

    def identify(self, seen: Views, current: str | None = None, hint: str | None = None) -> Guess:
        """The language of one text, and all that it may be. ``current`` is the conversation's, which very short texts never leave;
        ``hint`` a weak guess."""
        distribution = self.distribution(seen, current, hint)
        return self._chosen(seen, distribution, current), distribution

    def guess(self, seen: Views, current: str | None = None, hint: str | None = None) -> LanguageGuess:
        """The language alone."""
        return self.identify(seen, current, hint)[0]

    @staticmethod
    def _chosen(seen: Views, distribution: Mapping[str, float], current: str | None) -> LanguageGuess:
        if not distribution:
            return LanguageGuess(current or UND, 0.5 if current else 0.0)
        letters = sum(c.isalpha() for c in seen.words)
        code = max(distribution, key=lambda c: distribution[c])
        short = letters <= SHORT_LETTERS and len(seen.words.split()) <= 1
        if current and code != current and short and language_script(code) == language_script(current):
            return LanguageGuess(current, max(0.5, distribution.get(current, 0.0)))
        if distribution[code] < 0.2 and not current:
            return LanguageGuess(UND, 1 - distribution[code])
        return LanguageGuess(code, distribution[code])

    def distribution(self, seen: Views, current: str | None = None, hint: str | None = None) -> dict[str, float]:
        """Probability of every candidate language; empty when the text has no letters."""
        script = main_script(seen.words)
        if script is None:
            return {}
        if script in ONE_LANGUAGE:
            return {ONE_LANGUAGE[script]: 0.99}
        if script in ("Arabic", "Cyrillic"):
            told = telling_language(seen.words)
            if told and told not in self.ours:
                return {told: 0.95}
        codes, rows = self._candidates(self.table.scores([seen.words])[0], seen.words, script)
        if not codes:
            return {}
        logits = rows @ self.weights
        logits += np.array([1.5 * (c == current) + 0.8 * (c == hint) for c in codes])
        logits -= logits.max()
        shares = np.exp(logits)
        return dict(zip(codes, (shares / shares.sum()).tolist(), strict=False))

    @classmethod
    def train(cls, examples: Sequence[Example], folds: int = 3, sample: int = 4000) -> LanguageModel:
        """Table on everything; weights of the join on texts that a fold's table did not see, whole languages left out among them."""
        ours = sorted({e.language for e in examples})
        items: list[tuple[npt.NDArray[np.float64], int]] = []
        generator = np.random.default_rng(11)
        part = generator.integers(0, folds, len(examples))
        left_out = [c for c in ours if language_script(c) == "Latin"][: len(ours) - 1]
        plans = [
            ([e for e, p in zip(examples, part, strict=False) if p != k], [e for e, p in zip(examples, part, strict=False) if p == k]) for k in range(folds)
        ]
        plans += [([e for e in examples if e.language != c], [e for e in examples if e.language == c][:300]) for c in left_out]
        for known, unseen in plans:
            if not known or not unseen:
                continue
            model = cls(NgramTable.train(training_classes(known)), START, sorted({e.language for e in known}))
            chosen = generator.permutation(len(unseen))[: sample // (folds + 1)]
            for i in chosen:
                seen = views(unseen[i].text)
                script = main_script(seen.words)
                if script is None or script in ONE_LANGUAGE:
                    continue
                codes, rows = model._candidates(model.table.scores([seen.words])[0], seen.words, script)
                if unseen[i].language in codes:
                    items.append((rows, codes.index(unseen[i].language)))
        weights = _fit(items) if items else START
        return cls(NgramTable.train(training_classes(examples)), weights, ours)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Everything to store; plain numpy."""
        return {
            "ratios": self.table.ratios,
            "classes": np.array(self.table.classes),
            "weights": self.weights,
            "ours": np.array(self.ours),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> LanguageModel:
        return cls(NgramTable([str(c) for c in arrays["classes"]], arrays["ratios"]), arrays["weights"], [str(c) for c in arrays["ours"]])


def _fit(items: Sequence[tuple[npt.NDArray[np.float64], int]]) -> npt.NDArray[np.float64]:
    """Weights of least log loss, held near their start."""
    widest = max(len(rows) for rows, _ in items)
    stacked = np.zeros((len(items), widest, len(START)))
    absent = np.zeros((len(items), widest))
    truth = np.array([t for _, t in items])
    for i, (rows, _t) in enumerate(items):
        stacked[i, : len(rows)] = rows
        absent[i, len(rows) :] = -1e9

    def loss(weights: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        logits = stacked @ weights + absent
        logits -= logits.max(axis=1, keepdims=True)
        shares = np.exp(logits)
        shares /= shares.sum(axis=1, keepdims=True)
        at = np.arange(len(items))
        value = -np.log(shares[at, truth] + 1e-12).mean() + 0.001 * ((weights - START) ** 2).sum()
        shares[at, truth] -= 1.0
        gradient = np.einsum("nc,ncf->f", shares, stacked) / len(items) + 0.002 * (weights - START)
        return float(value), gradient

    return cast("npt.NDArray[np.float64]", minimize(loss, START, jac=True, method="L-BFGS-B").x)
