"""Logs: whatever goes wrong, nothing that a person wrote stands in them."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bot import logs

CANARY = "he took my passport, call +1 202 555 0143"


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    before = (root.handlers[:], root.level, logging.getLogRecordFactory(), sys.excepthook, threading.excepthook, logging.raiseExceptions)
    ours = logging.getLogger("bot").level
    logs.configure("debug", stream)
    yield stream
    logging.captureWarnings(False)
    root.handlers[:], root.level = before[0], before[1]
    logging.setLogRecordFactory(before[2])
    sys.excepthook, threading.excepthook, logging.raiseExceptions = before[3], before[4], before[5]
    logging.getLogger("bot").setLevel(ours)
    logs._configure_structlog(logging.WARNING, sys.stderr)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_of_ours_tells_what_happened_in_numbers_and_codes(out: io.StringIO) -> None:
    logs.get_logger("mailbox").info("taken", count=3, channel="sms", conversation="0123456789abcdef0123456789abcdef", seconds=0.25)
    (line,) = lines(out)
    assert line["event"] == "taken"
    assert (line["room"], line["count"], line["channel"], line["seconds"]) == ("mailbox", 3, "sms", 0.25)
    assert line["conversation"] == "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("fields", [
    {"text": CANARY}, {"reason": CANARY}, {"conversation": CANARY}, {"error": CANARY}, {"reason": ["x", CANARY]}, {"kind": {"a": CANARY}},
    {"reason": CANARY.encode()}, {"port": CANARY},
])
def test_what_a_person_wrote_does_not_pass_even_when_somebody_logs_it(out: io.StringIO, fields: dict[str, Any]) -> None:
    logs.get_logger("engine").warning("odd", **fields)
    assert "passport" not in out.getvalue()
    assert "555" not in out.getvalue()
    assert lines(out)[0]["event"] == "odd"


@pytest.mark.parametrize("number", ["12025550143", 12025550143, "+1 202 555 0143", "tel:12025550143"])
def test_a_phone_number_does_not_pass_in_an_allowed_field(out: io.StringIO, number: object) -> None:
    logs.get_logger("engine").warning("odd", reason=number, count=number, port=number)
    assert "555" not in out.getvalue()


def test_a_text_given_as_the_event_does_not_pass(out: io.StringIO) -> None:
    logs.get_logger("engine").error(CANARY)
    assert lines(out)[0]["event"] == "?"


def test_an_exception_shows_its_kind_and_place_only(out: io.StringIO) -> None:
    try:
        raise ValueError(CANARY)
    except ValueError:
        logs.get_logger("engine").exception("turn_failed")
        logging.getLogger("rasa.core").exception("while handling %s", CANARY)
    ours, theirs = lines(out)
    assert ours["error"] == theirs["error"] == "ValueError"
    assert "test_logs.py:" in ours["where"]
    assert "passport" not in out.getvalue()


@given(st.text(min_size=4))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_library_that_logs_texts_logs_none(out: io.StringIO, text: str) -> None:
    out.seek(0)
    out.truncate()
    marked = f"qzx{text}xzq"
    logger = logging.getLogger("rasa.core.processor")
    logger.error(f"Received user message '{marked}'")
    logger.error("slots: %s", marked)
    logger.error("slots: %(a)s", {"a": marked})
    logger.warning("extra", extra={"user": marked})
    structlog.get_logger("rasa").error(marked, event_info=marked, text=marked)
    assert "qzx" not in out.getvalue()
    assert len(lines(out)) == 5


def test_a_librarys_own_handler_has_nothing_to_print_either(out: io.StringIO) -> None:
    stream = io.StringIO()
    logger = logging.getLogger("somebody")
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    try:
        logger.error("said %s", CANARY)
        assert stream.getvalue()
        assert "passport" not in stream.getvalue()
        logs.configure("debug", out)
        assert logger.handlers == []
    finally:
        logger.removeHandler(handler)


def test_a_librarys_chatter_below_warning_is_dropped(out: io.StringIO) -> None:
    logging.getLogger("rasa.core").info("hello")
    structlog.get_logger("rasa").info("hello")
    assert out.getvalue() == ""


def test_a_warning_shows_its_place_only(out: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn(CANARY, UserWarning, stacklevel=1)
    assert "passport" not in out.getvalue()


def test_before_anybody_set_logs_up_they_are_already_safe() -> None:
    code = f"""from bot import logs
try:
    raise RuntimeError({CANARY!r})
except RuntimeError:
    logs.get_logger("engine").exception("turn_failed", text={CANARY!r})"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stderr)["error"] == "RuntimeError"
    assert "passport" not in done.stderr + done.stdout


def test_an_exception_that_nobody_caught_shows_no_text_on_standard_error() -> None:
    code = (f"from bot import logs; import threading; logs.configure('info')\n"
            f"def fall(): raise RuntimeError({CANARY!r})\n"
            f"t = threading.Thread(target=fall); t.start(); t.join()\nfall()")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "passport" not in done.stderr + done.stdout
    found = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["error"] for line in found] == ["RuntimeError", "RuntimeError"]
