"""Rasa's components say what the facade says, and survive being stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rasa")

from rasa.engine.graph import ExecutionContext, GraphSchema
from rasa.engine.storage.local_model_storage import LocalModelStorage
from rasa.engine.storage.resource import Resource
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from bot.understanding import components
from bot.understanding.corpus import Example
from bot.understanding.parts import ModelError, Parts
from bot.understanding.understand import Understander

from .conftest import FakeEncoder

CONTEXT = ExecutionContext(GraphSchema({}))
STORED = (components.LanguageIdentifier, components.IntentHead, components.DangerGrader)


@pytest.fixture
def storage(tmp_path: Path, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> LocalModelStorage:
    monkeypatch.setattr(components, "parts_for", lambda _: parts)
    monkeypatch.setattr(components, "project_encoder", lambda _: FakeEncoder())
    made = LocalModelStorage.create(tmp_path)
    for kind in STORED:
        kind.create({}, made, Resource(kind.__name__), CONTEXT).train(TrainingData())
    return made


def pipeline(storage: LocalModelStorage) -> list[Any]:
    language, head, danger = (kind.load({}, storage, Resource(kind.__name__), CONTEXT) for kind in STORED)
    return [
        components.Normaliser.create({}, storage, Resource("n"), CONTEXT),
        language,
        components.SpacyTokenizer.create(components.SpacyTokenizer.get_default_config(), storage, Resource("t"), CONTEXT),
        components.SentenceEncoder.create({}, storage, Resource("e"), CONTEXT),
        head,
        danger,
        components.NotUnderstood({"threshold": 0.35, "ambiguity_threshold": 0.0}),
    ]


def test_a_person_is_understood_alike_with_and_without_rasa(storage: LocalModelStorage, understander: Understander) -> None:
    steps = pipeline(storage)
    for text, metadata in (
        ("help he has a knife here", {}),
        ("paljonko tämä apu maksaa", {"language": "fi"}),
        ("joo", {"language": "sq"}),
        ("yes i can", {"expects": "yes_no"}),
        ("112", {}),
        ("", {}),
    ):
        message = Message({"text": text, "metadata": metadata})
        for step in steps:
            [message] = step.process([message])
        found = message.as_dict(only_output_properties=True)
        expected = understander.parse(text, metadata)
        best = next(i for i in found["intent_ranking"] if i["name"] != "nlu_fallback")
        assert (found["language"], found["danger"]) == (expected.language, expected.danger.value)
        assert found["flags"] == sorted(f.value for f in expected.flags)
        assert best["name"] == expected.intent
        assert (found["danger"] == "now") == (found["intent"]["name"] == "report_emergency")


def test_a_person_in_danger_is_never_answered_with_not_understood(storage: LocalModelStorage) -> None:
    unsure = components.NotUnderstood({"threshold": 0.9, "ambiguity_threshold": 0.0})
    message = Message({"text": "x"})
    ranking = [{"name": "report_emergency", "confidence": 0.31}, {"name": "greet", "confidence": 0.3}]
    message.set("intent", ranking[0])
    message.set("intent_ranking", list(ranking))
    message.set("danger", "now")
    assert unsure.process([message])[0].get("intent")["name"] == "report_emergency"
    message.set("danger", "none")
    assert unsure.process([message])[0].get("intent")["name"] == "nlu_fallback"


def test_an_altered_part_in_rasas_storage_is_refused(storage: LocalModelStorage) -> None:
    with storage.write_to(Resource("DangerGrader")) as folder:
        (folder / "arrays.npz").write_bytes(b"other")
    with pytest.raises(ModelError):
        components.DangerGrader.load({}, storage, Resource("DangerGrader"), CONTEXT)


def test_the_languages_and_dangers_of_training_texts_reach_us_through_rasa() -> None:
    meta = {"intent": {"language": "fi", "danger": "near", "flags": ["minor"]}}
    data = TrainingData([Message({"text": "mitä", "intent": "ask_cost", "metadata": meta}), Message({"text": "x", "intent": "greet"})])
    assert components.examples_of(data) == [Example("mitä", "ask_cost", "fi", "plain", "near", frozenset({"minor"}))]
