"""Finds danger, quiet and flag patterns in a message with spaCy's Matcher.

Words are looked up first (whole, by beginning, or with one slip of the thumb), which leaves a handful of patterns whose words are all
there; only those run, each in a Matcher of its own, over a Doc of placeholders: no word of a message ever enters spaCy's string store,
which never forgets.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import spacy
from rapidfuzz.distance import OSA
from spacy.matcher import Matcher
from spacy.tokens import Doc, Token

from bot.understanding.normalise import Views, unleet
from bot.understanding.notation import Element, Pattern

GAP_WORDS, GAP_CHARACTERS = 3, 12
FUZZY_WORD, FUZZY_STEM = 5, 6
MAX_WORDS = 400  # a longer message is read at its beginning and its end
COUNTED = {"now", "not_now"}
"""Sections of which every match counts, not the first alone."""

REACH = 6
"""An act so few words (or characters, in a script without spaces) away from what turns it off is still turned off."""

_PLACEHOLDER = "x"
Span = tuple[int, int]

if not Token.has_extension("atoms"):
    Token.set_extension("atoms", default=())


class _Unspaced(NamedTuple):
    """A pattern of a script without spaces, made ready: its literals, the longest first, and of which each one choice must be there."""

    number: int
    section: str
    literals: Sequence[str]
    needs: Sequence[tuple[str, ...]]


def _deletions(word: str) -> Iterable[str]:
    return (word[:i] + word[i + 1 :] for i in range(len(word)))


class PatternIndex:
    """All patterns of all languages. ``known`` holds words of the training texts: such a word is nobody's slip."""

    def __init__(self, patterns: Sequence[Pattern], known: Collection[str] = ()) -> None:
        self._patterns = list(patterns)
        self._known = frozenset(known)
        self._vocab = spacy.blank("xx").vocab
        self._matchers: dict[int, Matcher] = {}
        self._atoms: dict[str, int] = {}
        self._whole: dict[str, int] = {}
        self._stems: dict[str, int] = {}
        self._near_words: dict[str, list[str]] = defaultdict(list)
        self._near_stems: dict[str, list[str]] = defaultdict(list)
        self._needs: list[list[frozenset[int]]] = []
        self._by_atom: dict[int, list[int]] = defaultdict(list)
        for number, pattern in enumerate(self._patterns):
            needed = []
            for element in pattern.elements:
                ids = self._ids(element, pattern.spaced)
                if not element.gap and not element.optional:
                    needed.append(frozenset(ids))
            self._needs.append(needed)
            rarest = min(needed, key=len)
            for atom in rarest:
                self._by_atom[atom].append(number)
        self._unspaced: dict[str, list[_Unspaced]] = defaultdict(list)
        for number, pattern in enumerate(self._patterns):
            if not pattern.spaced:
                literals = sorted({w for e in pattern.elements for w in e.words | e.stems}, key=len, reverse=True)
                needs = [tuple(e.words | e.stems) for e in pattern.elements if not e.gap and not e.optional]
                self._unspaced[pattern.language].append(_Unspaced(number, pattern.section, literals, needs))
        self._longest_stem = max((len(s) for s in self._stems), default=0)

    def _ids(self, element: Element, spaced: bool) -> list[int]:
        found = []
        for word in element.words:
            if word not in self._whole:
                self._whole[word] = self._atoms[word] = len(self._atoms)
                if spaced and len(word) >= FUZZY_WORD:
                    for short in {word, *_deletions(word)}:
                        self._near_words[short].append(word)
            found.append(self._whole[word])
        for stem in element.stems:
            if stem not in self._stems:
                self._stems[stem] = self._atoms[stem + "*"] = len(self._atoms)
                if len(stem) >= FUZZY_STEM:
                    for short in {stem, *_deletions(stem)}:
                        self._near_stems[short].append(stem)
            found.append(self._stems[stem])
        return found

    def _atoms_of(self, word: str) -> set[int]:
        found = set()
        if word in self._whole:
            found.add(self._whole[word])
        for n in range(2, min(len(word), self._longest_stem) + 1):
            stem = self._stems.get(word[:n])
            if stem is not None:
                found.add(stem)
        if found or word in self._known or len(word) < FUZZY_WORD - 1 or not word[0].isalpha():
            return found
        for short in {word, *_deletions(word)}:
            for near in self._near_words.get(short, ()):
                if near[0] == word[0] and OSA.distance(word, near, score_cutoff=1) <= 1:
                    found.add(self._whole[near])
        if len(word) >= FUZZY_STEM:
            for n in range(FUZZY_STEM, min(len(word), self._longest_stem + 1) + 1):
                part = word[:n]
                for short in {part, *_deletions(part)}:
                    for near in self._near_stems.get(short, ()):
                        if near[0] == word[0] and OSA.distance(part, near, score_cutoff=1) <= 1:
                            found.add(self._stems[near])
        return found

    def _matcher(self, number: int) -> Matcher:
        if number not in self._matchers:
            matcher = Matcher(self._vocab, validate=False)
            matcher.add("p", [self._compiled(self._patterns[number])])
            self._matchers[number] = matcher
        return self._matchers[number]

    def _compiled(self, pattern: Pattern) -> list[dict[str, Any]]:
        tokens: list[dict[str, Any]] = []
        for element in pattern.elements:
            if element.gap:
                tokens += [{"OP": "?"}] * (GAP_WORDS if pattern.spaced else GAP_CHARACTERS)
                continue
            token: dict[str, Any] = {"_": {"atoms": {"INTERSECTS": sorted(self._ids(element, pattern.spaced))}}}
            tokens.append({**token, "OP": "?"} if element.optional else token)
        return tokens

    def _doc(self, atoms: Sequence[set[int]]) -> Doc:
        doc = Doc(self._vocab, words=[_PLACEHOLDER] * len(atoms))
        for token, ids in zip(doc, atoms, strict=False):
            if ids:
                token._.atoms = tuple(ids)
        return doc

    def hits(self, seen: Views, languages: Collection[str]) -> frozenset[str]:
        """Sections of `notation.SECTIONS` in which a pattern of one of the languages matches. ``not_now`` is left out where an act stands
        elsewhere in the text than what it speaks of: "he beat me last year, now he is here with a knife"."""
        tokens = seen.folded.split()
        if len(tokens) > MAX_WORDS:
            tokens = tokens[: MAX_WORDS // 2] + tokens[-MAX_WORDS // 2 :]
        found: set[str] = set()
        spans: dict[str, list[Span]] = {name: [] for name in COUNTED}
        atoms = [self._atoms_of(t) | (self._atoms_of(unleet(t)) if any(c.isdigit() for c in t) else set()) for t in tokens]
        present = frozenset().union(*atoms) if atoms else frozenset()
        doc: Doc | None = None
        for number in {n for atom in present for n in self._by_atom.get(atom, ())}:
            pattern = self._patterns[number]
            if not pattern.spaced or pattern.language not in languages or pattern.section in found - COUNTED:
                continue
            if all(need & present for need in self._needs[number]):
                doc = doc if doc is not None else self._doc(atoms)
                matches = self._matcher(number)(doc)
                if matches:
                    found.add(pattern.section)
                if pattern.section in COUNTED:
                    spans[pattern.section] += [(start, end) for _, start, end in matches]
        silenced = _settled(found, spans)
        return frozenset(silenced | self._hits_unspaced(seen.folded.replace(" ", ""), languages, silenced))

    def _hits_unspaced(self, text: str, languages: Collection[str], already: set[str]) -> set[str]:
        """Literals in order, at most twelve characters apart; the Doc's tokens are the literals and the characters between them."""
        found: set[str] = set()
        spans: dict[str, list[Span]] = {name: [] for name in COUNTED}
        text = text[: 4 * MAX_WORDS]
        for pattern in (p for language in languages for p in self._unspaced.get(language, ())):
            if pattern.section in (already | found) - COUNTED:
                continue
            if not all(any(w in text for w in choice) for choice in pattern.needs):
                continue
            pieces, starts = self._pieces(text, pattern.literals)
            matches = self._matcher(pattern.number)(self._doc(pieces))
            if matches:
                found.add(pattern.section)
            if pattern.section in COUNTED:
                spans[pattern.section] += [(starts[start], starts[end]) for _, start, end in matches]
        return _settled(found, spans)

    def _pieces(self, text: str, literals: Sequence[str]) -> tuple[list[set[int]], list[int]]:
        """The text cut greedily into a pattern's literals (the longest first) and single characters, as atoms; and where each begins, and the end."""
        pieces: list[set[int]] = []
        starts: list[int] = []
        at = 0
        while at < len(text):
            starts.append(at)
            literal = next((w for w in literals if text.startswith(w, at)), None)
            if literal is None:
                pieces.append(set())
                at += 1
            else:
                pieces.append({self._atoms[k] for k in (literal, literal + "*") if k in self._atoms})
                at += len(literal)
        return pieces, [*starts, len(text)]


def _settled(found: set[str], spans: Mapping[str, Sequence[Span]]) -> set[str]:
    """``found`` without ``not_now`` where some match of ``now`` touches none of its matches."""
    def touched(act: Span) -> bool:
        return any(start < act[1] + REACH and act[0] - REACH < end for start, end in spans["not_now"])

    if "not_now" in found and any(not touched(act) for act in spans["now"]):
        return found - {"not_now"}
    return found
