"""What the engine's process leaves out of Rasa, and that nothing which predicts is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bot.engine.agent_light import OnlyForTraining, _needed
from bot.engine.dialogue import Dialogue
from bot.engine.worker_parts import ROOT


def test_the_engine_does_not_load_tensorflow_and_leaves_no_stand_in_behind() -> None:
    program = (
        "import sys, bot.engine.agent\n"
        "left = [name for name in sys.modules if name.startswith(('tensorflow', 'rasa.utils.tensorflow.callback', 'rasa.utils.tensorflow.data'))]\n"
        "import rasa.utils.tensorflow as room\n"
        "print(left, hasattr(room, 'callback'), hasattr(room, 'data_generator'))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[] False False\n"


def test_only_the_nodes_that_the_dialogue_needs_are_kept() -> None:
    nodes = {
        "encoder": {"needs": {"messages": "__message__"}},
        "domain": {"needs": {}},
        "policy": {"needs": {"domain": "domain", "tracker": "__tracker__"}},
        "select": {"needs": {"policy": "policy", "domain": "domain"}},
    }
    assert _needed(nodes, "select") == ["domain", "policy", "select"]
    assert _needed(nodes, None) == []


def test_a_stand_in_that_is_used_after_all_says_so() -> None:
    with pytest.raises(RuntimeError, match="helpline train"):
        OnlyForTraining(1, silent=True)


def test_the_loaded_agent_can_predict_and_knows_its_domain(dialogue: Dialogue) -> None:
    processor = dialogue._agent.processor
    assert processor is not None
    assert processor.model_metadata.core_target in processor.graph_runner._graph_schema.nodes
    assert "report_emergency" in dialogue.intents
