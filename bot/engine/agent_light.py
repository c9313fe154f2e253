"""Leaves out of the engine's process what Rasa loads only in order to train or to understand: TensorFlow, and a second encoder.

Nothing that predicts changes. Of the archive's two graphs only the nodes are made that the dialogue's prediction needs: texts are
understood before Rasa sees them. TensorFlow is imported by two helpers of training; a component that does need it still imports it.
"""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Read by Rasa, TensorFlow and SQLAlchemy when they are imported: no telemetry, no chatter, one thread.
_ENVIRONMENT = {
    "RASA_TELEMETRY_ENABLED": "false",
    "SQLALCHEMY_SILENCE_UBER_WARNING": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_INTRA_OP_PARALLELISM_THREADS": "1",
    "TF_INTER_OP_PARALLELISM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "-1",
}
for _name, _value in _ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)

_ROOM = "rasa.utils.tensorflow"
# Module → the names that `rasa.utils.train_utils` takes from it at import and uses in training only.
_TRAINING_ONLY = {"callback": ("RasaTrainingLogger", "RasaModelCheckpoint"), "data_generator": ("RasaBatchDataGenerator",)}


class OnlyForTraining:
    """Stands where training's helpers would. Raises when it is used after all."""

    def __init__(self, *_: object, **__: object) -> None:
        raise RuntimeError("this process only predicts; train with `helpline train` or `rasa train`")


@contextmanager
def without_training_helpers() -> Iterator[None]:
    """Within it, importing Rasa does not import TensorFlow. Does nothing when Rasa is already imported."""
    made: list[str] = []
    if "rasa.utils.train_utils" not in sys.modules:
        for module, names in _TRAINING_ONLY.items():
            stand_in = types.ModuleType(f"{_ROOM}.{module}")
            for name in names:
                setattr(stand_in, name, OnlyForTraining)
            sys.modules[stand_in.__name__] = stand_in
            made.append(stand_in.__name__)
    try:
        yield
    finally:
        for name in made:
            del sys.modules[name]  # whoever imports it from now on gets the real one
            parent = sys.modules.get(_ROOM)
            if parent is not None and hasattr(parent, name.rpartition(".")[2]):
                delattr(parent, name.rpartition(".")[2])


def prediction_storage() -> type[Any]:
    """Rasa's local model storage that reads of an archive only what predicts the dialogue."""
    from rasa.engine.storage.local_model_storage import LocalModelStorage
    from rasa.engine.storage.storage import ModelMetadata
    from rasa.shared.utils.io import read_json_file

    class PredictionStorage(LocalModelStorage):
        """Prunes both graphs before their classes are imported."""

        @staticmethod
        def _load_metadata(directory: Path) -> ModelMetadata:
            serialized = read_json_file(directory / "metadata.json")
            target, nodes = serialized["core_target"], serialized["predict_schema"]["nodes"]
            serialized["train_schema"] = {"nodes": {}}
            serialized["predict_schema"] = {"nodes": {name: nodes[name] for name in _needed(nodes, target)}}
            return ModelMetadata.from_dict(serialized)

    return PredictionStorage


def _needed(nodes: dict[str, dict[str, Any]], target: str | None) -> list[str]:
    """The target and all nodes that it needs, in the graph's own order. Names that are no node are the graph's inputs."""
    needed: set[str] = set()
    waiting = [target] if target is not None else []
    while waiting:
        name = waiting.pop()
        if name in nodes and name not in needed:
            needed.add(name)
            waiting.extend(nodes[name]["needs"].values())
    return [name for name in nodes if name in needed]
