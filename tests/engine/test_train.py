"""Training, and the model on disk: skipped when nothing changed, replaced in one step, refused when broken."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from bot.engine.agent_model import MANIFEST, Manifest, ModelError, fingerprint, load_understander, understanding_kept_in, verified_archive
from bot.engine.train import TrainError, is_current, train
from tests.engine.conftest import MINI


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small project that trains in a second: rules only."""
    for folder in ("data/nlu", "data/rules", "domain"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(MINI / "domain.yml", tmp_path / "domain" / "mini.yml")
    shutil.copy(MINI / "rules.yml", tmp_path / "data" / "rules" / "mini.yml")
    shutil.copy(MINI / "config.yml", tmp_path / "config.yml")
    (tmp_path / "data" / "nlu" / "none.yml").write_text('version: "3.1"\nnlu: []\n')
    return tmp_path


@pytest.fixture
def trained(root: Path) -> Path:
    """The small project's model folder, trained."""
    folder = root / "models"
    assert train(root, folder, lambda line: None)
    return folder


def test_training_says_what_it_does_and_prints_nothing_itself(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    steps: list[str] = []
    assert train(root, root / "models", steps.append)
    assert any("RulePolicy" in step for step in steps)
    assert capfd.readouterr() == ("", "")


def test_nothing_is_trained_when_nothing_has_changed(root: Path, trained: Path) -> None:
    before = (trained / MANIFEST).read_bytes()
    assert is_current(root, trained)
    assert not train(root, trained, lambda line: None)
    assert (trained / MANIFEST).read_bytes() == before


@pytest.mark.parametrize("file", ["data/rules/mini.yml", "domain/mini.yml", "config.yml", "data/danger/fi.yml", "data/keywords/fi.yml", "bot/understanding/new.py"])
def test_a_change_in_anything_that_is_learned_from_makes_the_model_old(root: Path, trained: Path, file: str) -> None:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    with (root / file).open("a") as stream:
        stream.write("\n")
    assert not is_current(root, trained)


def test_actions_and_wording_do_not_make_the_model_old(root: Path, trained: Path) -> None:
    for file in ("actions/new.py", "translations/fi.po", "bot/engine/new.py"):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text("x")
    assert is_current(root, trained)


def test_a_failed_training_says_why_and_leaves_the_old_model(root: Path, trained: Path) -> None:
    before = (trained / MANIFEST).read_bytes()
    with (root / "data" / "rules" / "mini.yml").open("a") as stream:
        stream.write("- {rule: ask again, steps: [{intent: ask}, {action: utter_hello}]}\n")
    with pytest.raises(TrainError, match="ask again"):
        train(root, trained, lambda line: None)
    assert (trained / MANIFEST).read_bytes() == before
    assert verified_archive(trained).exists()
    assert list(trained.glob(".training-*")) == []


def test_only_the_model_in_use_and_the_one_before_are_kept(root: Path, trained: Path) -> None:
    for number in range(3):
        with (root / "domain" / "mini.yml").open("a") as stream:
            stream.write(f"# {number}\n")
        assert train(root, trained, lambda line: None)
        os.utime(verified_archive(trained), (number, number))
    assert len(list(trained.glob("helpline-*.tar.gz"))) <= 2
    assert verified_archive(trained).exists()


def test_training_outside_a_project_says_where_to_run_it(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="repository's root"):
        train(tmp_path, tmp_path / "models", lambda line: None)
    assert not (tmp_path / "models").exists()


def test_a_broken_or_missing_model_file_is_refused_with_what_to_do(trained: Path) -> None:
    archive = verified_archive(trained)
    whole = archive.read_bytes()
    archive.write_bytes(whole[:-10])
    with pytest.raises(ModelError, match="broken.*helpline train --force"):
        verified_archive(trained)
    archive.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    with pytest.raises(ModelError, match="broken"):
        verified_archive(trained)
    archive.unlink()
    with pytest.raises(ModelError, match="missing"):
        verified_archive(trained)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"v": 99}'])
def test_a_broken_manifest_is_refused_with_what_to_do(trained: Path, text: str) -> None:
    (trained / MANIFEST).write_text(text)
    with pytest.raises(ModelError, match="helpline train --force"):
        verified_archive(trained)


def test_a_manifest_cannot_point_outside_its_folder(trained: Path) -> None:
    data = json.loads((trained / MANIFEST).read_text())
    (trained / MANIFEST).write_text(json.dumps({**data, "archive": "../secret"}))
    with pytest.raises(ModelError):
        Manifest.read(trained)


def test_without_any_model_the_person_is_told_to_train(tmp_path: Path) -> None:
    for load in (verified_archive, load_understander):
        with pytest.raises(ModelError, match="run `helpline train`"):
            load(tmp_path)


def test_a_fingerprint_depends_on_names_too(root: Path) -> None:
    before = fingerprint(root)
    (root / "data" / "rules" / "mini.yml").rename(root / "data" / "rules" / "other.yml")
    assert fingerprint(root) != before


def test_the_understandings_folder_is_set_for_as_long_as_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HELPLINE_VAR", raising=False)
    with understanding_kept_in(tmp_path):
        assert os.environ["HELPLINE_VAR"] == str(tmp_path)
    assert "HELPLINE_VAR" not in os.environ
