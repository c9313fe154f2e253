"""The command line: what a person who runs the service sees."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from bot import cli, logs, mailbox
from bot.model import Channel, Incoming
from bot.settings import SETTINGS, load
from bot.storage import open_store

# spaCy's and Rasa's imports warn; ours must not.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:(?!bot|actions|tests)")


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Settings that point into an empty folder."""
    for setting in SETTINGS:
        monkeypatch.delenv(setting.name, raising=False)
    monkeypatch.setenv("HELPLINE_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("HELPLINE_MODEL", str(tmp_path / "models"))
    yield tmp_path
    logs.configure("debug", io.StringIO())  # the stream that pytest captures is closed after each test


def helpline(monkeypatch: pytest.MonkeyPatch, *arguments: str, stdin: str = "") -> int:
    """Run a command in this process and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["helpline", *arguments])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8"))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_every_setting_is_listed(environment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert helpline(monkeypatch, "settings") == 0
    out = capsys.readouterr().out
    assert all(setting.name in out for setting in SETTINGS)


@pytest.mark.parametrize("command", ["parse", "converse", "engine", "evaluate"])
def test_without_a_model_a_command_says_what_to_do(
    command: str, environment: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    labelled = environment / "labelled.jsonl"
    labelled.write_text("{}\n")
    helpline(monkeypatch, "migrate")
    capfd.readouterr()
    assert helpline(monkeypatch, command, *([str(labelled)] if command == "evaluate" else [])) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert "run `helpline train`" in err.splitlines()[-1]
    assert "Traceback" not in err


def test_a_wrong_setting_is_one_line_that_names_it(environment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HELPLINE_DESK_STAFFED", "perhaps")
    assert helpline(monkeypatch, "parse") == 1
    assert capsys.readouterr().err == "helpline: HELPLINE_DESK_STAFFED must be yes or no\n"


def test_a_misspelt_setting_is_pointed_out(environment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HELPLINE_DESK_STAFED", "yes")
    helpline(monkeypatch, "migrate")
    assert "HELPLINE_DESK_STAFED is not a setting" in capsys.readouterr().err


def test_settings_can_come_from_a_file_and_the_environment_wins(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = environment / "settings"
    file.write_text(f"HELPLINE_VAR={environment / 'lost'}\nHELPLINE_DATABASE_URL=sqlite:///{environment / 'other.sqlite3'}\n")
    monkeypatch.setenv("HELPLINE_DATABASE_URL", "")  # restored afterwards
    monkeypatch.delenv("HELPLINE_DATABASE_URL")
    assert helpline(monkeypatch, "--settings", str(file), "migrate") == 0
    assert (environment / "other.sqlite3").exists()
    assert not (environment / "lost").exists()


def test_an_unforeseen_error_shows_its_kind_and_place_but_not_what_it_holds(
    environment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr(cli, "app", broken)
    assert helpline(monkeypatch) == 70
    err = capsys.readouterr().err
    assert "RuntimeError at test_cli.py:" in err
    assert "canary" not in err


def test_an_address_is_erased_and_never_an_argument(environment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import os

    assert helpline(monkeypatch, "migrate") == 0
    store = open_store(load(os.environ))
    mailbox.receive(store, Incoming(Channel.SMS, "+12025550142", "SM1", text="hello"))
    assert mailbox.figures(store).waiting == 1
    capsys.readouterr()
    assert helpline(monkeypatch, "erase", "--channel", "sms", stdin="+12025550142\n") == 0
    assert capsys.readouterr().out == "erased\n"
    assert mailbox.figures(store).waiting == 0
    assert helpline(monkeypatch, "erase", "--channel", "sms", stdin="+12025550142\n") == 0
    assert capsys.readouterr().out == "nothing was stored for this address\n"
    assert helpline(monkeypatch, "erase", "--channel", "fax", stdin="x\n") == 1
    assert helpline(monkeypatch, "erase", "--channel", "sms", stdin="") == 1
    assert helpline(monkeypatch, "erase", "--channel", "sms", "+12025550142") == 2
    store.close()


def test_a_check_names_everything_that_is_missing(environment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert helpline(monkeypatch, "check") == 1
    lines = capsys.readouterr().out.splitlines()
    failed = {line.split(":")[0] for line in lines if line.startswith("FAIL")}
    assert "FAIL model" in failed
    assert "FAIL database" not in failed  # the embedded one is made, as at the first start
    assert len(lines) == 4


def test_starting_the_command_line_imports_neither_rasa_nor_tensorflow() -> None:
    program = "import sys, bot.cli, bot.engine.converse_parse, bot.engine.worker_check, bot.engine.dialogue; print(sorted(set(sys.modules) & {'rasa', 'tensorflow', 'rasa_sdk'}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=cli.ROOT)
    assert done.stdout == "[]\n"


def test_what_a_library_prints_does_not_get_between_the_answers() -> None:
    program = (
        "import os; from bot import cli\n"
        "with cli._batch() as answers:\n"
        "    print('noise of a library'); os.write(1, b'noise of C')\n"
        "    answers.write(b'an answer')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=cli.ROOT)
    assert done.stdout == "an answer"
    assert done.stderr.count("noise") == 2


def test_evaluating_a_file_that_is_not_there_says_so(environment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("bot.engine.agent_model.load_understander", lambda folder: SimpleNamespace())
    assert helpline(monkeypatch, "evaluate", str(environment / "none.jsonl")) == 1
    assert "none.jsonl is not a file" in capsys.readouterr().err
