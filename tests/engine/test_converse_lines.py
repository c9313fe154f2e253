"""JSON lines: one out for each in, in order, whatever a line holds."""

from __future__ import annotations

import io
import json
import os
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.converse_lines import BadLine, answer_lines, optional_text, read_object, text_of, write_object


def run(source: bytes, answer: Any = None) -> list[dict[str, Any]]:
    target = io.BytesIO()
    count = sum(1 for _ in answer_lines(io.BytesIO(source), target, answer or (lambda row: {"text": text_of(row, "text")})))
    lines = target.getvalue().split(b"\n")
    assert lines.pop() == b""
    assert len(lines) == count
    return [json.loads(line) for line in lines]


def line(text: str) -> bytes:
    return json.dumps({"text": text}).encode() + b"\n"


def test_a_bad_line_is_answered_in_its_place_and_the_others_go_on() -> None:
    source = line("a") + b"{\n" + b"\n" + b"[1]\n" + b'{"text": 3}\n' + b"{}\n" + b"\xff\xfe\n" + line("b")
    out = run(source)
    assert [row.get("text") for row in out] == ["a", None, None, None, None, None, None, "b"]
    assert all(row["error"] for row in out[1:7])


def test_a_failure_inside_is_one_lines_error_without_its_text() -> None:
    def answer(row: dict[str, Any]) -> dict[str, Any]:
        if row["text"] == "canary":
            raise RuntimeError(row["text"])
        return {"text": row["text"]}

    assert run(line("canary") + line("b"), answer) == [{"error": "internal: RuntimeError"}, {"text": "b"}]


def test_a_nested_bomb_is_an_error_and_the_next_line_works() -> None:
    assert [bool(row.get("error")) for row in run(b"[" * 100_000 + b"\n" + line("b"))] == [True, False]


def test_the_last_line_needs_no_end_and_a_windows_end_does_no_harm() -> None:
    assert run(line("a") + b'{"text": "b"}\r\n' + b'{"text": "c"}') == [{"text": "a"}, {"text": "b"}, {"text": "c"}]


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r"])
def test_only_a_newline_ends_a_line(character: str) -> None:
    raw = json.dumps({"text": f"a{character}b"}, ensure_ascii=ord(character) < 32).encode()
    assert run(raw + b"\n") == [{"text": f"a{character}b"}]
    target = write_object({"text": f"a{character}b"}).decode()
    assert len(target.splitlines()) == 1


def test_a_lone_surrogate_comes_back_as_it_went_in() -> None:
    assert run(b'{"text": "\\ud800"}\n') == [{"text": "\ud800"}]
    assert write_object({"text": "\ud800"}) == b'{"text": "\\ud800"}\n'


def test_letters_of_all_scripts_are_written_as_themselves() -> None:
    assert write_object({"text": "äس"}) == '{"text": "äس"}\n'.encode()


@given(st.lists(st.one_of(st.binary(max_size=40), st.text(max_size=40).map(lambda text: json.dumps({"text": text}).encode())), max_size=12))
def test_as_many_lines_come_out_as_went_in(lines: list[bytes]) -> None:
    clean = [one.replace(b"\n", b" ") for one in lines]
    assert len(run(b"".join(one + b"\n" for one in clean))) == len(clean)


@given(st.text(alphabet=st.characters(), max_size=60))
def test_every_text_survives_there_and_back(text: str) -> None:
    assert read_object(write_object({"text": text}))["text"] == text


def test_an_answer_does_not_wait_for_the_next_line() -> None:
    read, write = os.pipe()
    back_read, back_write = os.pipe()

    def serve() -> None:
        with os.fdopen(read, "rb") as source, os.fdopen(back_write, "wb") as target:
            for _ in answer_lines(source, target, lambda row: row):
                pass

    thread = threading.Thread(target=serve)
    thread.start()
    with os.fdopen(write, "wb") as ask, os.fdopen(back_read, "rb") as answers:
        for text in ("a", "b"):
            ask.write(line(text))
            ask.flush()
            assert json.loads(answers.readline()) == {"text": text}
        ask.close()
        thread.join()


def test_fields_say_what_is_wrong_with_them() -> None:
    assert optional_text({"button": None}, "button") is None
    assert optional_text({}, "button") is None
    for row, message in (({}, "missing"), ({"text": 1}, "must be a string"), ({"text": None}, "must be a string")):
        with pytest.raises(BadLine, match=message):
            text_of(row, "text")
