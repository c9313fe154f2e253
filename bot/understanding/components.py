"""The parts as Rasa graph components. Training goes through `parts.trained`, so that all of them share one training.

What a message carries afterwards: ``language``, ``language_confidence``, ``intent``, ``intent_ranking``, ``danger``, ``flags``.
Context comes in its metadata: ``language``, ``hint``, ``question``, ``expects``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.nlu.classifiers.fallback_classifier import FallbackClassifier
from rasa.nlu.featurizers.dense_featurizer.dense_featurizer import DenseFeaturizer
from rasa.nlu.tokenizers.tokenizer import Token, Tokenizer
from rasa.shared.nlu.constants import FEATURE_TYPE_SENTENCE, TEXT
from rasa.shared.nlu.training_data.features import Features
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData
from typing_extensions import Self

from bot.understanding import tokens
from bot.understanding.classifier import Classifier
from bot.understanding.corpus import Example
from bot.understanding.encoder_cache import CachedEncoder
from bot.understanding.grader import Grader
from bot.understanding.keywords import Keywords
from bot.understanding.language import UND, Guess, LanguageGuess, LanguageModel
from bot.understanding.normalise import Views, views
from bot.understanding.parts import Parts, files_fingerprint, patterns_from_json, read_arrays, to_json, trained, write_arrays
from bot.understanding.understand import ROOT, Context, Judge, default_var, project_encoder

VIEWS, GUESS, VECTOR, RAW = "helpline_views", "helpline_guess", "helpline_vector", "helpline_raw"
Config = dict[str, Any]


def examples_of(training_data: TrainingData) -> list[Example]:
    """Our examples from Rasa's; block metadata arrives as ``metadata.intent``."""
    found: dict[str, Example] = {}
    for message in training_data.intent_examples:
        meta = (message.get("metadata") or {}).get("intent") or {}
        intent, text = message.get("intent"), message.get(TEXT)
        if text and intent and meta.get("language"):
            danger = meta.get("danger", "now" if intent == "report_emergency" else "none")
            example = Example(text, intent, str(meta["language"]), meta.get("style", "plain"), danger, frozenset(meta.get("flags", ())))
            found.setdefault(f"{example.language}\0{text}", example)
    return list(found.values())


def parts_for(training_data: TrainingData) -> Parts:
    """The parts for Rasa's training data, trained once for all components."""
    var = default_var()
    encoder = CachedEncoder(project_encoder(var, threads=os.cpu_count() or 1), var / "encoder")
    return trained(examples_of(training_data), encoder, ROOT / "data", var / "understanding")


def seen_in(message: Message) -> Views:
    """The message's views; made here when no `Normaliser` came before."""
    seen = message.get(VIEWS)
    return seen if isinstance(seen, Views) else views(message.get(TEXT) or "")


class _Stored(GraphComponent):
    """Stores arrays and JSON with checksums in Rasa's model storage; refuses what was altered."""

    @classmethod
    def fingerprint_addon(cls, config: Config) -> str:
        """Tells Rasa's own cache of what else a part is made: without it `rasa train` would bring back what the files no longer say."""
        return files_fingerprint(ROOT / "data")

    def __init__(self, model_storage: ModelStorage, resource: Resource) -> None:
        self._storage, self._resource = model_storage, resource

    @classmethod
    def create(cls, config: Config, model_storage: ModelStorage, resource: Resource, execution_context: ExecutionContext) -> Self:
        """Made before training."""
        return cls(model_storage, resource)

    @classmethod
    def load(cls, config: Config, model_storage: ModelStorage, resource: Resource, execution_context: ExecutionContext, **kwargs: Any) -> Self:
        """Made from what training stored."""
        made = cls(model_storage, resource)
        made.take(*cls._restore(model_storage, resource))
        return made

    def take(self, arrays: dict[str, npt.NDArray[Any]], rest: Any) -> None:
        """Take what was stored."""
        raise NotImplementedError

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        return training_data  # training reads the texts itself: see parts_for

    def _persist(self, arrays: Mapping[str, npt.NDArray[Any]], rest: Any = None) -> None:
        with self._storage.write_to(self._resource) as folder:
            sums = {"arrays": write_arrays(Path(folder) / "arrays.npz", arrays), "rest": rest}
            (Path(folder) / "parts.json").write_text(json.dumps(sums, ensure_ascii=False), encoding="utf-8")

    @staticmethod
    def _restore(model_storage: ModelStorage, resource: Resource) -> tuple[dict[str, npt.NDArray[Any]], Any]:
        with model_storage.read_from(resource) as folder:
            sums = json.loads((Path(folder) / "parts.json").read_text(encoding="utf-8"))
            return read_arrays(Path(folder) / "arrays.npz", sums["arrays"]), sums["rest"]


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_FEATURIZER, is_trainable=False)
class Normaliser(GraphComponent):
    """Puts the views of the text beside it; the text itself stays as it was written."""

    @classmethod
    def create(cls, config: Config, model_storage: ModelStorage, resource: Resource, execution_context: ExecutionContext) -> Normaliser:
        return cls()

    def process(self, messages: list[Message]) -> list[Message]:
        for message in messages:
            message.set(VIEWS, views(message.get(TEXT) or ""))
        return messages

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        return training_data  # training reads the texts itself: see parts_for


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_FEATURIZER, is_trainable=True)
class LanguageIdentifier(_Stored):
    """Sets ``language`` and ``language_confidence``."""

    model: LanguageModel | None = None

    def take(self, arrays: dict[str, npt.NDArray[Any]], rest: Any) -> None:
        self.model = LanguageModel.from_arrays(arrays)

    def train(self, training_data: TrainingData) -> Resource:
        self.model = parts_for(training_data).language
        self._persist(self.model.arrays())
        return self._resource

    def process(self, messages: list[Message]) -> list[Message]:
        assert self.model is not None
        for message in messages:
            context = Context.of(message.get("metadata"))
            guess, likely = self.model.identify(seen_in(message), context.language, context.hint)
            message.set(GUESS, (guess, likely))
            message.set("language", guess.code, add_to_output=True)
            message.set("language_confidence", round(guess.confidence, 4), add_to_output=True)
        return messages


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_TOKENIZER, is_trainable=False)
class SpacyTokenizer(Tokenizer):
    """Words by the tokenizer of the message's own language (spaCy; pythainlp for Thai)."""

    @staticmethod
    def get_default_config() -> Config:
        return {"intent_tokenization_flag": False, "intent_split_symbol": "_", "token_pattern": None, "prefix_separator_symbol": None}

    @classmethod
    def create(cls, config: Config, model_storage: ModelStorage, resource: Resource, execution_context: ExecutionContext) -> SpacyTokenizer:
        return cls(config)

    def tokenize(self, message: Message, attribute: str) -> list[Token]:
        meta = message.get("metadata") or {}
        language = message.get("language") or (meta.get("intent") or {}).get("language") or UND
        return [Token(word, start) for word, start in tokens.tokenize(message.get(attribute) or "", language)]


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_FEATURIZER, is_trainable=False)
class SentenceEncoder(DenseFeaturizer, GraphComponent):
    """The sentence vector, as a dense sentence feature for any classifier and for ours."""

    def __init__(self, config: Config) -> None:
        super().__init__("sentence_encoder", {**self.get_default_config(), **config})
        self._encoder = project_encoder(default_var())

    @classmethod
    def create(cls, config: Config, model_storage: ModelStorage, resource: Resource, execution_context: ExecutionContext) -> SentenceEncoder:
        return cls(config)

    @classmethod
    def validate_config(cls, config: Config) -> None:
        """Nothing can be set."""

    def process(self, messages: list[Message]) -> list[Message]:
        for message, vector in zip(messages, self._encoder.embed([seen_in(m).clean for m in messages]), strict=False):
            message.set(VECTOR, vector)
            message.add_features(Features(vector[None, :], FEATURE_TYPE_SENTENCE, TEXT, "sentence_encoder"))
        return messages

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        return training_data


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class IntentHead(_Stored, IntentClassifier):
    """Probabilities of all intents; the intent itself is settled by `DangerGrader` behind it."""

    model: Classifier | None = None

    def take(self, arrays: dict[str, npt.NDArray[Any]], rest: Any) -> None:
        self.model = Classifier.from_arrays(arrays)

    def train(self, training_data: TrainingData) -> Resource:
        self.model = parts_for(training_data).classifier
        self._persist(self.model.arrays())
        return self._resource

    def process(self, messages: list[Message]) -> list[Message]:
        assert self.model is not None
        for message in messages:
            raw = self.model.raw([seen_in(message)], message.get(VECTOR)[None, :])
            log_intents = self.model.joined(raw)
            message.set(RAW, (raw, log_intents, self.model.intents))
            ranked = sorted(zip(self.model.intents, np.exp(log_intents[0]).tolist(), strict=False), key=lambda pair: -pair[1])
            _set_intent(message, ranked)
        return messages


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class DangerGrader(_Stored, IntentClassifier):
    """Grades danger, sets the flags, and settles the intent: ``now`` exactly with ``report_emergency``."""

    judge: Judge | None = None

    def take(self, arrays: dict[str, npt.NDArray[Any]], rest: Any) -> None:
        patterns = patterns_from_json(rest["patterns"])
        self.judge = Judge(Grader.from_arrays(arrays), Keywords(rest["keywords"]), patterns, frozenset(rest["known_words"]))

    def train(self, training_data: TrainingData) -> Resource:
        parts = parts_for(training_data)
        self.judge = Judge(parts.grader, parts.keywords, parts.patterns, parts.known_words)
        self._persist(parts.grader.arrays(), to_json(parts))
        return self._resource

    def process(self, messages: list[Message]) -> list[Message]:
        assert self.judge is not None
        for message in messages:
            raw, log_intents, intents = message.get(RAW)
            guess: Guess = message.get(GUESS) or (LanguageGuess(UND, 0.0), {})
            [made] = self.judge.judge([seen_in(message)], [guess], [Context.of(message.get("metadata"))], raw, log_intents, intents)
            _set_intent(message, made.ranking)
            message.set("danger", made.danger.value, add_to_output=True)
            message.set("flags", sorted(f.value for f in made.flags), add_to_output=True)
        return messages


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
class NotUnderstood(FallbackClassifier):
    """``nlu_fallback`` for what is too unsure, never for danger now; the best real intent stays in the ranking behind it."""

    def _should_fallback(self, message: Message) -> bool:
        return message.get("danger") != "now" and bool(super()._should_fallback(message))


def _set_intent(message: Message, ranked: Any) -> None:
    ranking = [{"name": name, "confidence": float(p)} for name, p in ranked]
    message.set("intent", ranking[0], add_to_output=True)
    message.set("intent_ranking", ranking[:10], add_to_output=True)
