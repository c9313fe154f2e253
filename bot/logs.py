"""Structured logs by an allow-list: JSON lines that hold event names, numbers and short codes, never what somebody wrote.

Two nets. Our own lines pass only fields named in :data:`ALLOWED`, whose text values look like codes. Lines of other libraries
(Rasa prints every text and slot) keep level, logger and place in the source alone: their message is blanked when the record is made,
so that no handler, whoever adds it, can print it.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Mapping, MutableMapping
from datetime import datetime, timezone
from types import TracebackType
from typing import Any, TextIO

import structlog

ALLOWED = frozenset({
    "attempt", "channel", "conversation", "count", "error", "host", "kind", "method", "ms", "pid", "port", "process", "reason", "room",
    "route", "seconds", "signal", "state", "status", "where",
})
"""Names of fields that a line may carry."""

OURS = "bot"
_EVENT = re.compile(r"[a-z][a-z0-9_.]{0,63}")
_CODE = re.compile(r"[A-Za-z0-9_.:/\-\[\]{}]{0,80}")
_CONVERSATION = re.compile(r"[0-9a-f]{32}")
_NUMBERLIKE = re.compile(r"[0-9]{6}")
_HIDDEN = "?"

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def get_logger(room: str) -> Any:
    """A logger whose lines say in which room they were written: ``get_logger("mailbox").info("taken", count=3)``."""
    return structlog.get_logger(room=room)


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Make every log line of this process safe and send it to ``stream`` (standard error when ``None``).

    Call it first, and again after importing a library that sets up logging for itself (Rasa, TensorFlow). Also covers Python
    warnings and exceptions that nobody caught: type and place, no message. ``level``: debug, info, warning or error.
    """
    threshold = _LEVELS[level]
    out = stream if stream is not None else sys.stderr
    logging.raiseExceptions = False  # a broken handler would print the record, arguments and all
    logging.setLogRecordFactory(_blank_record)
    logging.captureWarnings(True)
    handler = logging.StreamHandler(out)
    handler.setFormatter(_JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(threshold, logging.WARNING))
    for name in list(logging.Logger.manager.loggerDict):
        other = logging.getLogger(name)
        if not _is_ours(name):
            other.handlers[:] = []
            other.propagate = True
            other.setLevel(logging.NOTSET)
    logging.getLogger(OURS).setLevel(threshold)
    _configure_structlog(threshold, out)
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def _configure_structlog(threshold: int, out: TextIO) -> None:
    structlog.configure(
        processors=[keep_allowed, structlog.processors.JSONRenderer(sort_keys=False, ensure_ascii=True)],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )


def keep_allowed(_logger: object, level: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """A structlog processor: only :data:`ALLOWED` fields with harmless values stay. Lines of others lose all but their event's name."""
    if "room" not in event:  # a library's own structlog logger: even its event may be a text
        raise_below_warning(level)
        return {"time": _now(), "level": level, "event": "library", **_error_fields(event.get("exc_info"))}
    name = event.pop("event", None)
    error = event.pop("exc_info", None)
    line: dict[str, Any] = {"time": _now(), "level": level}
    line["event"] = name if isinstance(name, str) and _EVENT.fullmatch(name) else _HIDDEN
    line.update((key, safe_value(key, value)) for key, value in event.items() if key in ALLOWED)
    line.update(_error_fields(error))
    return line


def raise_below_warning(level: str) -> None:
    """Drop a library's line below warning. Raises ``structlog.DropEvent``."""
    if _LEVELS.get(level, logging.WARNING) < logging.WARNING:
        raise structlog.DropEvent


def safe_value(key: str, value: object) -> object:
    """``value`` if it is a small number, a truth value or looks like a code; else ``"?"``. Long digit runs could be numbers of people."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return value if abs(value) < 1e10 and key != "error" else _HIDDEN
    text = str(getattr(value, "value", value)) if not isinstance(value, str) else value
    if key == "conversation":
        return text if _CONVERSATION.fullmatch(text) else _HIDDEN
    if _CODE.fullmatch(text) is None or _NUMBERLIKE.search(text):
        return _HIDDEN
    return text


def where(trace: TracebackType | None) -> str:
    """The last place of ``trace`` as ``file:line``, preferring our own files; ``"?"`` without one."""
    frames = traceback.extract_tb(trace)
    ours = [f for f in frames if "/bot/" in f.filename or "/actions/" in f.filename]
    if not frames:
        return _HIDDEN
    last = (ours or frames)[-1]
    return f"{'/'.join(last.filename.split('/')[-2:])}:{last.lineno}"


def _error_fields(error: object) -> dict[str, str]:
    if error is True:
        error = sys.exc_info()
    if isinstance(error, BaseException):
        error = (type(error), error, error.__traceback__)
    if not isinstance(error, tuple) or error[0] is None:
        return {}
    return {"error": error[0].__name__, "where": where(error[2])}


def _is_ours(name: str) -> bool:
    return name == OURS or name.startswith(OURS + ".")


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def _blank_record(name: str, level: int, path: str, line: int, msg: object, args: Any, exc_info: Any,
                  func: str | None = None, sinfo: str | None = None, **extra: Any) -> logging.LogRecord:
    """A record without its message. Our code logs through structlog, so no standard-library record needs one."""
    record = logging.LogRecord(name, level, path, line, "", (), None, func, None)
    record.msg = f"{record.module}:{line}"
    for key, value in _error_fields(exc_info).items():
        setattr(record, f"safe_{key}", value)
    return record


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {"time": _now(), "level": record.levelname.lower(), "logger": record.name, "place": str(record.msg)}
        for key in ("error", "where"):
            value = getattr(record, f"safe_{key}", None)
            if value is not None:
                line[key] = value
        return json.dumps(line)


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if kind is not KeyboardInterrupt:
        get_logger("process").error("uncaught", exc_info=(kind, error, trace))


# Until configure() has run, structlog's own default would print whole exceptions with their local variables.
if not structlog.is_configured():
    _configure_structlog(logging.WARNING, sys.stderr)
