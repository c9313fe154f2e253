"""Every setting in one table: name, type, default, help. Read from the environment, or from a file under it.

A setting is one field of :class:`Settings`; its name in the environment is ``HELPLINE_`` and the field's name in capitals.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import urlsplit

PREFIX = "HELPLINE_"

_YES = {"yes", "on", "true", "1"}
_NO = {"no", "off", "false", "0"}


class SettingsError(Exception):
    """A setting that cannot be used. The message is one line, names the setting and says what to do; never its value if secret."""


@dataclass(frozen=True)
class Setting:
    """One row of the table. ``kind`` is what a person should write, ``default`` how they would write it."""

    name: str
    attribute: str
    kind: str
    default: str
    help: str
    secret: bool = False


def _setting(default: Any, help: str, *, least: float | None = None, most: float | None = None, pattern: str | None = None,
             choices: tuple[str, ...] = (), secret: bool = False) -> Any:
    meta = {"help": help, "least": least, "most": most, "pattern": pattern, "choices": choices, "secret": secret}
    return dataclasses.field(default=default, metadata=meta)


_PHONE = r"\+?[0-9][0-9 ]{1,20}"


@dataclass(frozen=True)
class Settings:
    """The settings of one process. Frozen: a changed setting needs a restart."""

    # where things are
    var: Path = _setting(Path("var"), "Folder for the embedded database, keys and logs.")
    database_url: str = _setting("", "Database. Empty: SQLite in HELPLINE_VAR. Or `sqlite:///FILE`, `postgresql://USER@HOST/NAME`.", secret=True)
    secret_keys: str = _setting(
        "", "Wrapping and pseudonym keys, newest first: `wrap:KEY,…,name:KEY,…`, each KEY 32 bytes in base64url. "
        "Make them with `python -m bot.vault`. Empty with SQLite: made and kept in HELPLINE_VAR. Lost keys make all messages unreadable.", secret=True)
    model: Path = _setting(Path("models"), "Folder of the trained model.")
    # doors
    host: str = _setting("127.0.0.1", "Address on which the doors listen.", pattern=r"\S+")
    port: int = _setting(8000, "Port on which the doors listen; 0 takes a free one.", least=0, most=65535)
    public_url: str = _setting("", "The outside address, for example `https://help.example.org`. Empty: the doors' own address.",
                               pattern=r"https?://[^\s/]+(/\S*)?")
    exit_url: str = _setting("https://www.ilmatieteenlaitos.fi/", "The neutral page to which \"leave this page\" leads (the weather).", pattern=r"https://[^\s/]+(/\S*)?")
    trusted_proxies: str = _setting("127.0.0.1", "Addresses of reverse proxies whose X-Forwarded-For is believed, with commas between.")
    rate_per_second: float = _setting(60.0, "Requests a second that one address may make for long. 0: no limit. "
                                      "Many people share one address behind a mobile network: keep it wide.", least=0)
    rate_burst: int = _setting(600, "Requests that one address may make at once.", least=1)
    metrics_token: str = _setting("", "Bearer token for `/metrics` from outside. Empty: `/metrics` answers on loopback only.", secret=True)
    log_level: str = _setting("info", "How much is logged.", choices=("debug", "info", "warning", "error"))
    # SMS (Twilio); absent: off
    twilio_account_sid: str = _setting("", "Twilio account. With it, `HELPLINE_TWILIO_AUTH_TOKEN`, `HELPLINE_TWILIO_FROM` and `HELPLINE_PUBLIC_URL` SMS is on.",
                                       pattern=r"AC[0-9A-Za-z]{1,64}")
    twilio_auth_token: str = _setting("", "Twilio's primary auth token: signs its requests and ours.", secret=True)
    twilio_from: str = _setting("", "Our own number at Twilio, international, for example `+1 202 555 0100`.", pattern=r"\+[1-9][0-9 ]{6,20}")
    twilio_api_url: str = _setting("https://api.twilio.com", "Root of Twilio's REST API, without `/2010-04-01`.", pattern=r"https?://[^\s/]+(/\S*)?")
    twilio_redact: bool = _setting(True, "Whether texts are taken out of Twilio's own records once they are handled or delivered.")
    # Telegram
    telegram_token: str = _setting("", "The bot's token from @BotFather. Empty: no Telegram.", pattern=r"[^\s/?#]+", secret=True)
    telegram_secret: str = _setting("", "What Telegram must show with every update, made by you: 1 to 256 of A-Z a-z 0-9 _ -. Needed with `webhook`.",
                                    pattern=r"[A-Za-z0-9_-]{1,256}", secret=True)
    telegram_mode: str = _setting("webhook", "How updates come: Telegram calls `HELPLINE_PUBLIC_URL`, or we ask for them (for a laptop).", choices=("webhook", "polling"))
    telegram_api_url: str = _setting("https://api.telegram.org", "Root of the Bot API server, without `/bot`.", pattern=r"https?://[^\s/]+(/\S*)?")
    # the engine
    burst_seconds: float = _setting(2.0, "Wait for further fragments on SMS and Telegram; 0: only what waits already.", least=0, most=30)
    lease_seconds: float = _setting(10.0, "How long an engine holds a conversation before another may take it over.", least=1, most=15)
    flood_per_minute: int = _setting(20, "Messages a minute that one sender is answered; above it they hear once, kindly, to wait. Danger, quiet, stop, erasing and "
                                         "asking for a person are always answered. 0: no limits.", least=0)
    flood_per_hour: int = _setting(240, "The same by the hour.", least=1)
    flood_segments_per_hour: int = _setting(150, "SMS segments an hour that one sender may cost before the same happens.", least=1)
    flood_backlog: int = _setting(200, "When more messages than this wait, they are looked through for danger first.", least=1)
    desk_staffed: bool = _setting(False, "Whether workers are at the desk, for trying out.")
    call_back: bool = _setting(True, "Whether the service offers a call back when nobody is at the desk.")
    bot_name: str = _setting("", "How the bot calls itself. Keep it neutral: it shows in previews. Empty: no name.")
    # times of the conversation
    bot_expiry_minutes: float = _setting(10.0, "On SMS and Telegram a bot's reply is never sent later than this after the person's last message.", least=1)
    page_expiry_minutes: float = _setting(60.0, "The same for replies to the page, which fetches them itself while somebody has it open.", least=1)
    worker_expiry_minutes: float = _setting(60.0, "The same for a worker's message in an open handoff.", least=1)
    gap_minutes: float = _setting(60.0, "After this silence the bot asks \"Can you write freely now?\" before it names the subject.", least=1)
    keep_days: int = _setting(30, "Days without messages after which a talk that no worker had is erased.", least=1)
    keep_handoff_days: int = _setting(90, "Days after a worker's last step and the person's last message, after which a handed-off talk is erased.", least=1)
    stranger_days: float = _setting(30.0, "After this silence an address is a stranger: a new conversation, nothing old reachable.", least=1)
    # facts that may change
    line_number: str = _setting("+358 2954 63177", "The assistance system's line, 24 h (S1).", pattern=_PHONE)
    emergency_number: str = _setting("112", "The emergency number (S8).", pattern=_PHONE)
    email: str = _setting("ihmiskauppa.auttamisjarjestelma@migri.fi", "The assistance system's e-mail (P1).", pattern=r"[^@\s]+@[^@\s]+")
    site: str = _setting("ihmiskauppa.fi", "The assistance system's site (S17).", pattern=r"[^\s/]+(/\S*)?")
    crisis_line: str = _setting("09 2525 0111", "MIELI crisis line (P11).", pattern=_PHONE)
    nollalinja: str = _setting("080 005 005", "Nollalinja, violence in close relationships (P11).", pattern=_PHONE)
    riku: str = _setting("116 006", "Victim Support Finland (P11).", pattern=_PHONE)
    work_safety: str = _setting("0295 016 620", "Occupational safety advice (P18).", pattern=_PHONE)
    seri: bool = _setting(True, "Whether Seri support centres are named after rape (P17).")
    facts_checked: date = _setting(date(2026, 11, 1), "Date of the last check of the contacts of P11, P17 and P18.")
    facts_max_age_days: int = _setting(180, "Those contacts are not shown once the last check is older than this.", least=0)
    text_112: bool = _setting(True, "Whether a person who cannot speak is told how to text the emergency number (P9).")

    def facts_fresh(self, today: date) -> bool:
        """Whether the contacts of P11, P17 and P18 may still be shown on ``today``. A check dated in the future does not count."""
        return 0 <= (today - self.facts_checked).days <= self.facts_max_age_days

    @property
    def address(self) -> str:
        """Where people reach the doors: the outside address, or the doors' own, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")

    @property
    def sms(self) -> bool:
        """Whether SMS is on. Raises :class:`SettingsError` when only a part of its settings is there."""
        own = ("HELPLINE_TWILIO_ACCOUNT_SID", "HELPLINE_TWILIO_AUTH_TOKEN", "HELPLINE_TWILIO_FROM")
        return self._whole("SMS", own, "HELPLINE_PUBLIC_URL")

    def _whole(self, channel: str, own: tuple[str, ...], *also: str) -> bool:
        """Whether all settings of a channel's ``own`` are there, and then ``also``; a part of them is an error."""
        lacking = [name for name in (*own, *also) if not getattr(self, _FIELDS[name].name)]
        if set(own) <= set(lacking):
            return False
        if lacking:
            there = ", ".join(name for name in own if name not in lacking)
            raise SettingsError(f"{channel} is set up in part only: {there} is there, {', '.join(lacking)} is missing; set all of them or none")
        return True

    @property
    def sqlite(self) -> bool:
        """Whether the database is embedded."""
        return self.database_url.startswith("sqlite")


_TYPES: dict[str, Any] = get_type_hints(Settings)


def _written(value: object) -> str:
    """``value`` as a person would write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def _kind(field: dataclasses.Field[Any]) -> str:
    choices: tuple[str, ...] = field.metadata["choices"]
    if choices:
        return " / ".join(choices)
    return {bool: "yes / no", int: "whole number", float: "number", date: "date", Path: "path"}.get(_TYPES[field.name], "text")


_FIELDS: dict[str, dataclasses.Field[Any]] = {PREFIX + f.name.upper(): f for f in dataclasses.fields(Settings)}

SETTINGS: tuple[Setting, ...] = tuple(
    Setting(name, f.name, _kind(f), _written(f.default), f.metadata["help"], f.metadata["secret"]) for name, f in _FIELDS.items()
)


def load(environ: Mapping[str, str], file: Path | None = None) -> Settings:
    """Settings from ``environ``, then from ``file`` (lines ``NAME=value``, ``#`` comments), then the defaults.

    A blank value counts as absent. Raises :class:`SettingsError`.
    """
    given = read_file(file) if file is not None else {}
    given.update({name: value for name, value in environ.items() if name in _FIELDS and value.strip()})
    values: dict[str, Any] = {_FIELDS[name].name: _parse(name, text.strip()) for name, text in given.items() if text.strip()}
    settings = Settings(**values)
    if not settings.database_url:
        settings = dataclasses.replace(settings, database_url=f"sqlite:///{settings.var / 'helpline.sqlite3'}")
    scheme = urlsplit(settings.database_url).scheme.split("+")[0]
    if scheme not in ("sqlite", "postgresql"):
        raise SettingsError("HELPLINE_DATABASE_URL must begin with sqlite:/// or postgresql://; write one of these or leave it empty")
    _ = settings.sms  # a channel that is set up in part is an error at start, not at the first message
    return settings


def unknown(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Names in ``environ`` that look like ours and are not: most often a typing error."""
    return tuple(sorted(name for name in environ if name.startswith(PREFIX) and name not in _FIELDS))


def markdown() -> str:
    """The table of settings as ``docs/settings.md`` shows it."""
    lines = ["| setting | value | default | what |", "|---|---|---|---|"]
    for s in SETTINGS:
        default = f"`{s.default}`" if s.default else "(empty)"
        secret = " *Secret.*" if s.secret else ""
        lines.append(f"| `{s.name}` | {s.kind} | {default} | {s.help}{secret} |")
    return "\n".join(lines) + "\n"


def read_file(file: Path) -> dict[str, str]:
    """Names and values of a settings file, as written. Raises :class:`SettingsError` that names the line."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {file} cannot be read ({type(error).__name__}); check its path, rights and encoding") from None
    found: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, sign, value = line.partition("=")
        name, value = name.strip(), value.strip()
        if not sign:
            raise SettingsError(f"{file}, line {number}: write NAME=value")
        if name not in _FIELDS:
            raise SettingsError(f"{file}, line {number}: no such setting; `helpline settings` lists them all")
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        found[name] = value
    return found


def _parse(name: str, text: str) -> object:
    field = _FIELDS[name]
    meta = field.metadata
    kind = _TYPES[field.name]
    if "\0" in text or "\n" in text:
        raise SettingsError(f"{name} must be one line of text")
    try:
        if kind is bool:
            if text.lower() not in _YES | _NO:
                raise ValueError
            return text.lower() in _YES
        if kind in (int, float):
            number = kind(text)
            if not math.isfinite(number):
                raise ValueError
            _check_range(name, number, meta["least"], meta["most"])
            return number
        if kind is date:
            return date.fromisoformat(text)
    except ValueError:
        wanted = {bool: "yes or no", int: "a whole number", float: "a number", date: "a date such as 2026-11-01"}[kind]
        raise SettingsError(f"{name} must be {wanted}") from None
    if kind is Path:
        return Path(text).expanduser()
    choices: tuple[str, ...] = meta["choices"]
    if choices:
        if text.lower() not in choices:
            raise SettingsError(f"{name} must be one of: {', '.join(choices)}")
        return text.lower()
    if meta["pattern"] is not None and re.fullmatch(meta["pattern"], text) is None:
        example = f"; write it like the default, {_written(field.default)}" if field.default else "; `helpline settings` shows how it is written"
        raise SettingsError(f"{name} has a form that cannot be used{example}")
    return text


def _check_range(name: str, number: float, least: float | None, most: float | None) -> None:
    if least is not None and number < least:
        raise SettingsError(f"{name} must be at least {least:g}")
    if most is not None and number > most:
        raise SettingsError(f"{name} must be at most {most:g}")
