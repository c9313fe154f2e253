"""The trained parts together, how they are trained once, and how they lie on disk (numpy and JSON, checksums, never pickle)."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from bot.understanding import notation
from bot.understanding.base import FloatArray, SentenceEncoder
from bot.understanding.classifier import FLAGS, GRADES, Classifier, Raw, Targets, fit_join, grams
from bot.understanding.corpus import Example, held_from_fitting
from bot.understanding.grader import Grader
from bot.understanding.heads import Sizes
from bot.understanding.keywords import Keywords
from bot.understanding.language import LanguageModel
from bot.understanding.normalise import Views, views
from bot.understanding.patterns import PatternIndex
from bot.understanding.scripts import language_script

VERSION = "1"
FOLDS = 3
FEW = 600
TRAINING_CODE = "classifier corpus encoder grader heads keywords language ngrams normalise notation parts patterns romanise scripts seeds".split()
Arrays = dict[str, npt.NDArray[Any]]


class ModelError(RuntimeError):
    """A stored model is missing, cut short or altered."""


@dataclass(frozen=True)
class Parts:
    """Everything that was learnt or read, without the encoder."""

    language: LanguageModel
    classifier: Classifier
    grader: Grader
    keywords: Keywords
    patterns: list[notation.Pattern]
    known_words: frozenset[str]

    def index(self) -> PatternIndex:
        return PatternIndex(self.patterns, self.known_words)


def targets_of(examples: Sequence[Example], intents: Sequence[str]) -> Targets:
    order = {name: i for i, name in enumerate(intents)}
    return Targets(
        np.array([order[e.intent] for e in examples], np.int64),
        np.array([GRADES.index(e.danger) for e in examples], np.int64),
        np.array([[f in e.flags for f in FLAGS] for e in examples], np.float32).reshape(-1, len(FLAGS)),
    )


def known_words(examples: Sequence[Example], seen: Sequence[Views]) -> frozenset[str]:
    """Words that several carefully spelt training texts of one language use: no slips of other words."""
    counts: dict[str, int] = {}
    for example, view in zip(examples, seen, strict=False):
        if example.style not in ("typo", "latin", "mixed"):
            for word in set(view.folded.split()):
                counts[word] = counts.get(word, 0) + 1
    return frozenset(w for w, n in counts.items() if n >= 3)


def read_patterns(folder: Path) -> list[notation.Pattern]:
    return [p for path in sorted(folder.glob("*.yml")) for p in notation.read(path)]


def pattern_languages(likely: Mapping[str, float], current: str | None, script: str | None, languages: Sequence[str]) -> set[str]:
    """Whose patterns to try: languages that the text may be in, the conversation's, English (it mixes into all)."""
    found = {c for c, p in likely.items() if p >= 0.08} | {"en"}
    if current:
        found.add(current)
    if script and script != "Latin":
        found |= {c for c in languages if language_script(c) == script}
    return found


def out_of_fold(
    examples: Sequence[Example], seen: Sequence[Views], vectors: FloatArray, intents: Sequence[str], folds: int = FOLDS, seed: int = 2
) -> tuple[Raw, npt.NDArray[np.int64]]:
    """What the classifier says of every text when trained without a third of them, and which third each was in."""
    targets, features = targets_of(examples, intents), grams(seen)
    part = np.random.default_rng(seed).permutation(np.arange(len(examples)) % folds)
    sizes = sizes_of(intents)
    network, machines = (np.zeros((len(examples), sizes.total), np.float32) for _ in range(2))
    for k in range(folds):
        inside, outside = np.flatnonzero(part != k), np.flatnonzero(part == k)
        model = Classifier.train(intents, [seen[i] for i in inside], vectors[inside], targets.at(inside), features=features[inside])
        raw = model.raw([seen[i] for i in outside], vectors[outside])
        network[outside], machines[outside] = raw.network, raw.machines
    return Raw(network, machines), part


def unseen(seen: Sequence[Views], vectors: FloatArray, targets: Targets, intents: Sequence[str], features: csr_matrix, judged: npt.NDArray[Any]) -> Raw:
    """What the classifier says of texts that neither it nor the fitted encoder has seen."""
    rest = np.setdiff1d(np.arange(len(seen)), judged)
    model = Classifier.train(intents, [seen[i] for i in rest], vectors[rest], targets.at(rest), features=features[rest])
    return model.raw([seen[i] for i in judged], vectors[judged])


def train(examples: Sequence[Example], encoder: SentenceEncoder, data: Path) -> Parts:
    """All parts from examples and the pattern and keyword files under ``data``. About a minute for 20,000 texts, embedding apart."""
    seen = [views(e.text) for e in examples]
    vectors = encoder.embed([v.clean for v in seen])
    intents = sorted({e.intent for e in examples})
    targets = targets_of(examples, intents)
    features = grams(seen)
    judged = np.flatnonzero([held_from_fitting(e.text) for e in examples])
    few = len(judged) < FEW
    with ThreadPoolExecutor(2) as pool:  # numpy and liblinear work outside Python's lock
        whole = pool.submit(Classifier.train, intents, seen, vectors, targets, features=features)
        judged = np.arange(len(examples)) if few else judged
        part = pool.submit(lambda: out_of_fold(examples, seen, vectors, intents)[0] if few else unseen(seen, vectors, targets, intents, features, judged))
        classifier, raw = whole.result(), part.result()
    classifier.join = fit_join(raw, targets.at(judged), sizes_of(intents))
    patterns = read_patterns(data / "danger")
    known = known_words(examples, seen)
    index = PatternIndex(patterns, known)
    hits = [index.hits(seen[i], {examples[i].language, "en"}) for i in judged]
    grader = Grader.train(raw, classifier, targets.at(judged), hits)
    return Parts(LanguageModel.train(examples), classifier, grader, Keywords.read(data / "keywords"), patterns, known)


def fingerprint(examples: Sequence[Example], encoder: SentenceEncoder, data: Path) -> str:
    """Names everything that the parts depend on: texts, patterns, keywords, encoder and this code."""
    digest = hashlib.sha256(f"{VERSION}{encoder.fingerprint}{files_fingerprint(data)}".encode())
    for line in sorted(json.dumps([e.text, e.intent, e.language, e.style, e.danger, sorted(e.flags)]) for e in examples):
        digest.update(line.encode())
    return digest.hexdigest()[:16]


def files_fingerprint(data: Path) -> str:
    """Names what the parts depend on beside texts: patterns, keywords, the update of the encoder, this code."""
    digest = hashlib.sha256()
    code = [Path(__file__).parent / f"{name}.py" for name in TRAINING_CODE]
    for path in sorted([*data.glob("danger/*.yml"), *data.glob("keywords/*.yml"), *data.glob("encoder/*.npz"), *code]):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def trained(examples: Sequence[Example], encoder: SentenceEncoder, data: Path, folder: Path) -> Parts:
    """As `train`, kept in ``folder`` by fingerprint: the second asker with the same data gets it in a second."""
    place = folder / fingerprint(examples, encoder, data)
    parts: Parts | None = None
    if place.exists():
        try:
            parts = load(place)
        except ModelError:
            shutil.rmtree(place)
    if parts is None:
        parts = train(examples, encoder, data)
        save(parts, place)
    pointer = folder / f"current.{os.getpid()}"
    pointer.write_text(place.name)
    os.replace(pointer, folder / "current")
    _forget_old(folder, keep=place)
    return parts


def _forget_old(folder: Path, keep: Path) -> None:
    """The one before stays: an engine that is just starting may have read the old pointer."""
    old = sorted((p for p in folder.iterdir() if p.is_dir() and p != keep), key=lambda p: p.stat().st_mtime)
    for place in old[:-1]:
        shutil.rmtree(place, ignore_errors=True)


def load_current(folder: Path) -> Parts:
    """The parts that were trained last. Raises ``ModelError`` when there are none."""
    try:
        name = (folder / "current").read_text().strip()
    except OSError as error:
        raise ModelError(f"nothing trained in {folder}") from error
    return load(folder / name)


def sizes_of(intents: Sequence[str]) -> Sizes:
    return Sizes(len(intents), len(GRADES), len(FLAGS))


def to_json(parts: Parts) -> dict[str, Any]:
    """What is not an array: keywords, patterns, known words."""
    return {
        "keywords": parts.keywords.entries,
        "patterns": [[p.language, p.section, p.spaced, [[sorted(e.words), sorted(e.stems), e.gap, e.optional] for e in p.elements]] for p in parts.patterns],
        "known_words": sorted(parts.known_words),
    }


def patterns_from_json(rows: Sequence[Any]) -> list[notation.Pattern]:
    return [
        notation.Pattern(language, section, tuple(notation.Element(frozenset(w), frozenset(s), g, o) for w, s, g, o in elements), spaced)
        for language, section, spaced, elements in rows
    ]


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """Stores arrays without pickle; gives the SHA-256 of the file."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    path.write_bytes(buffer.getvalue())
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def read_arrays(path: Path, sha256: str) -> Arrays:
    """Raises ``ModelError`` unless the bytes are those that were written."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ModelError(f"no model at {path}") from error
    if hashlib.sha256(raw).hexdigest() != sha256:
        raise ModelError(f"{path} was altered or cut short")
    with np.load(io.BytesIO(raw), allow_pickle=False) as stored:
        return {k: stored[k] for k in stored.files}


def save(parts: Parts, place: Path) -> None:
    """Atomic: the folder appears whole or not at all."""
    place.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=place.parent, prefix="saving-"))
    try:
        sums = {n: write_arrays(work / f"{n}.npz", getattr(parts, n).arrays()) for n in ("language", "classifier", "grader")}
        text = json.dumps(to_json(parts), ensure_ascii=False)
        (work / "rest.json").write_text(text, encoding="utf-8")
        sums["rest"] = hashlib.sha256(text.encode()).hexdigest()
        (work / "sums.json").write_text(json.dumps(sums))
        if place.exists():
            shutil.rmtree(place)
        os.replace(work, place)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


def load(place: Path) -> Parts:
    """Raises ``ModelError``."""
    try:
        sums = json.loads((place / "sums.json").read_text())
        text = (place / "rest.json").read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ModelError(f"no model at {place}") from error
    if hashlib.sha256(text.encode()).hexdigest() != sums.get("rest"):
        raise ModelError(f"{place}/rest.json was altered")
    rest = json.loads(text)
    return Parts(
        LanguageModel.from_arrays(read_arrays(place / "language.npz", sums["language"])),
        Classifier.from_arrays(read_arrays(place / "classifier.npz", sums["classifier"])),
        Grader.from_arrays(read_arrays(place / "grader.npz", sums["grader"])),
        Keywords(rest["keywords"]),
        patterns_from_json(rest["patterns"]),
        frozenset(rest["known_words"]),
    )
