"""The table of settings: what an operator writes, and what they are told when it cannot be used."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import settings as module
from bot.settings import SETTINGS, Settings, SettingsError, load, markdown, unknown

ROOT = Path(__file__).resolve().parent.parent


def test_an_operator_who_sets_nothing_gets_a_working_embedded_set_up() -> None:
    settings = load({})
    assert settings.database_url == "sqlite:///var/helpline.sqlite3"
    assert settings.sqlite
    assert settings.address == "http://127.0.0.1:8000"
    assert settings.burst_seconds == 2.0
    assert settings.desk_staffed is False


def test_the_numbers_that_people_are_told_are_the_ones_of_the_fact_sheet() -> None:
    settings = load({})
    assert settings.line_number == "+358 2954 63177"
    assert settings.emergency_number == "112"
    assert settings.crisis_line == "09 2525 0111"
    assert settings.nollalinja == "080 005 005"
    assert settings.riku == "116 006"
    assert settings.work_safety == "0295 016 620"
    assert settings.email == "ihmiskauppa.auttamisjarjestelma@migri.fi"


def test_what_an_operator_sets_is_what_the_program_gets() -> None:
    settings = load({"HELPLINE_VAR": "/srv/helpline", "HELPLINE_PORT": "9000", "HELPLINE_DESK_STAFFED": "Yes", "HELPLINE_BURST_SECONDS": "0",
                     "HELPLINE_FACTS_CHECKED": "2026-10-01", "HELPLINE_PUBLIC_URL": "https://help.example.org/"})
    assert settings.var == Path("/srv/helpline")
    assert settings.database_url == "sqlite:////srv/helpline/helpline.sqlite3"
    assert (settings.port, settings.desk_staffed, settings.burst_seconds) == (9000, True, 0.0)
    assert settings.facts_checked == date(2026, 10, 1)
    assert settings.address == "https://help.example.org"


@pytest.mark.parametrize(("name", "value", "told"), [
    ("HELPLINE_PORT", "eight", "whole number"),
    ("HELPLINE_PORT", "70000", "at most 65535"),
    ("HELPLINE_BURST_SECONDS", "-1", "at least 0"),
    ("HELPLINE_BURST_SECONDS", "nan", "number"),
    ("HELPLINE_DESK_STAFFED", "perhaps", "yes or no"),
    ("HELPLINE_FACTS_CHECKED", "1.10.2026", "2026-11-01"),
    ("HELPLINE_LOG_LEVEL", "loud", "debug, info, warning, error"),
    ("HELPLINE_LINE_NUMBER", "ring us", "+358 2954 63177"),
    ("HELPLINE_DATABASE_URL", "mysql://x", "postgresql://"),
    ("HELPLINE_PUBLIC_URL", "help.example.org", "helpline settings"),
])
def test_a_wrong_setting_is_one_line_that_names_it_and_says_what_to_do(name: str, value: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({name: value})
    line = str(caught.value)
    assert line.startswith(name)
    assert told in line
    assert "\n" not in line


def test_a_wrong_secret_is_never_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        load({"HELPLINE_DATABASE_URL": "mysql://admin:hunter2@db"})
    assert "hunter2" not in str(caught.value)


def test_a_file_gives_settings_and_the_environment_wins(tmp_path: Path) -> None:
    file = tmp_path / "helpline.env"
    file.write_text("\ufeff# ours\nHELPLINE_PORT=9001\n\nHELPLINE_BOT_NAME=\"Info\"\n", encoding="utf-8")
    settings = load({"HELPLINE_PORT": "9002", "HELPLINE_BOT_NAME": "  "}, file)
    assert (settings.port, settings.bot_name) == (9002, "Info")


@pytest.mark.parametrize(("content", "told"), [("HELPLINE_PORTT=1\n", "line 1"), ("\nnonsense\n", "line 2")])
def test_a_typing_error_in_the_file_names_the_line(tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / "helpline.env"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match=told):
        load({}, file)


def test_an_absent_file_is_a_plain_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load({}, tmp_path / "none.env")


def test_a_typing_error_in_the_environment_can_be_found() -> None:
    assert unknown({"HELPLINE_BRUST_SECONDS": "1", "HELPLINE_PORT": "1", "PATH": "x"}) == ("HELPLINE_BRUST_SECONDS",)


def test_old_contacts_are_not_fresh_and_a_check_in_the_future_does_not_count() -> None:
    settings = load({"HELPLINE_FACTS_CHECKED": "2026-01-01", "HELPLINE_FACTS_MAX_AGE_DAYS": "10"})
    assert settings.facts_fresh(date(2026, 1, 11))
    assert not settings.facts_fresh(date(2026, 1, 12))
    assert not settings.facts_fresh(date(2025, 12, 31))


@given(st.sampled_from(SETTINGS), st.text())
def test_whatever_an_operator_writes_is_taken_or_refused_in_one_line(setting: module.Setting, text: str) -> None:
    told = ""
    try:
        found: Settings | None = load({setting.name: text})
    except SettingsError as error:
        found, told = None, str(error)
    assert "\n" not in told
    assert (found is None) == (setting.name in told)


def test_every_default_can_be_written_back_and_means_the_same() -> None:
    written = {s.name: s.default for s in SETTINGS}
    assert load(written) == load({})


def test_the_settings_page_shows_the_table_as_it_is() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert markdown() in page


def test_every_setting_has_a_help_that_is_a_sentence() -> None:
    for setting in SETTINGS:
        assert re.fullmatch(r"[A-Z`].*[.)]", setting.help), setting.name
        assert "|" not in setting.help


SMS = {"HELPLINE_TWILIO_ACCOUNT_SID": "AC" + "0" * 32, "HELPLINE_TWILIO_AUTH_TOKEN": "token", "HELPLINE_TWILIO_FROM": "+1 202 555 0100",
       "HELPLINE_PUBLIC_URL": "https://help.example.org"}


def test_sms_is_on_when_all_its_settings_are_there_and_off_when_none_is() -> None:
    assert load(SMS).sms
    assert not load({}).sms
    assert not load({"HELPLINE_PUBLIC_URL": "https://help.example.org"}).sms


@pytest.mark.parametrize("lacking", SMS)
def test_an_operator_who_forgets_a_part_of_sms_is_told_which(lacking: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({name: value for name, value in SMS.items() if name != lacking})
    assert lacking in str(caught.value)
    assert "token" not in str(caught.value).replace("AUTH_TOKEN", "")
