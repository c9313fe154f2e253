"""JSON lines in, JSON lines out: exactly one line out for each line in, in order, also for a bad one.

Only ``\\n`` separates lines: a U+2028 inside a line is text. What already waits is read ahead, but an answer never waits for
the next line, so a program may write one line and wait for its answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

_LINE_BREAKS = {"\u2028": "\\u2028", "\u2029": "\\u2029", "\x85": "\\u0085"}
MAX_LINE_BYTES = 1 << 20


class BadLine(ValueError):
    """A line that cannot be used; the message is its ``error`` and holds no text of the line."""


def read_object(line: bytes) -> dict[str, Any]:
    """Return the JSON object of a line. Raises ``BadLine``. Lone surrogates written as ``\\ud800`` are kept."""
    if not line.strip():
        raise BadLine("the line is empty")
    if len(line) > MAX_LINE_BYTES:
        raise BadLine("the line is longer than 1 MiB")
    try:
        value = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise BadLine("the line is not UTF-8") from None
    except (ValueError, RecursionError):
        raise BadLine("the line is not JSON") from None
    if not isinstance(value, dict):
        raise BadLine("the line is not a JSON object")
    return value


def text_of(row: Mapping[str, Any], name: str) -> str:
    """Return a field that must be there and be a string. Raises ``BadLine``."""
    value = row.get(name)
    if not isinstance(value, str):
        raise BadLine(f'"{name}" must be a string' if name in row else f'"{name}" is missing')
    return value


def optional_text(row: Mapping[str, Any], name: str) -> str | None:
    """Return a field that may be absent or null, else must be a string. Raises ``BadLine``."""
    return None if row.get(name) is None else text_of(row, name)


def write_object(value: Mapping[str, Any]) -> bytes:
    """Return a line of UTF-8 with ``\\n`` at its end; what another program could take for the end of a line is escaped."""
    try:
        line = json.dumps(value, ensure_ascii=False)
        for character, escaped in _LINE_BREAKS.items():
            line = line.replace(character, escaped)
        return line.encode("utf-8") + b"\n"
    except UnicodeEncodeError:  # a lone surrogate can only be written escaped
        return json.dumps(value, ensure_ascii=True).encode("ascii") + b"\n"


def answer_lines(source: BinaryIO, target: BinaryIO, answer: Callable[[dict[str, Any]], Mapping[str, Any]]) -> Iterator[int]:
    """Answer every line of ``source`` on ``target``; yield the number of lines answered after each.

    ``BadLine`` from ``answer`` becomes the line's ``error``; any other exception ``{"error": "internal: <its type>"}``.
    """
    count = 0
    for line in source:
        try:
            out: Mapping[str, Any] = answer(read_object(line))
        except BadLine as error:
            out = {"error": str(error)}
        except Exception as error:  # one bad line must not end the batch, and its text must not be printed
            out = {"error": f"internal: {type(error).__name__}"}
        target.write(write_object(out))
        target.flush()
        count += 1
        yield count
