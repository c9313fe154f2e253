"""The channels that a provider stands behind: which are on, their doors, and their checks. A channel is imported only where it is on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.channels.base import Door, Finding, Intake
from bot.settings import Settings


@dataclass(frozen=True)
class ProviderChannel:
    """One channel. ``door`` is ``None`` where it is off; all raise :class:`bot.settings.SettingsError` for settings that are not whole,
    save ``check`` and ``connect``, which say so (and nothing at all where the channel is off)."""

    name: str
    demand: Callable[[Settings], None]
    door: Callable[[Settings, Intake], Door | None]
    check: Callable[[Settings], list[Finding]]
    connect: Callable[[Settings], list[Finding]]


def _telegram_demand(settings: Settings) -> None:
    from bot.channels.telegram.config import demand

    demand(settings)


def _telegram_door(settings: Settings, intake: Intake) -> Door | None:
    from bot.channels.telegram.config import demand

    config = demand(settings)
    if config is None:
        return None
    from bot.channels.telegram.door import TelegramDoor

    return TelegramDoor(settings, config, intake)


def _telegram_check(settings: Settings) -> list[Finding]:
    from bot.channels.telegram.setup import check

    return check(settings)


def _telegram_connect(settings: Settings) -> list[Finding]:
    from bot.channels.telegram.setup import connect

    return connect(settings)


def _sms_demand(settings: Settings) -> None:
    """Nothing: what is missing was told when the settings were read."""


def _sms_door(settings: Settings, intake: Intake) -> Door | None:
    if not settings.sms:
        return None
    from bot.channels.sms.door import SmsDoor

    return SmsDoor(settings, intake)


def _sms_check(settings: Settings) -> list[Finding]:
    from bot.channels.sms.setup import check

    return check(settings) if settings.sms else []


def _sms_connect(settings: Settings) -> list[Finding]:
    from bot.channels.sms.setup import connect

    return connect(settings) if settings.sms else []


CHANNELS: tuple[ProviderChannel, ...] = (
    ProviderChannel("telegram", _telegram_demand, _telegram_door, _telegram_check, _telegram_connect),
    ProviderChannel("sms", _sms_demand, _sms_door, _sms_check, _sms_connect),
)


def demand(settings: Settings) -> None:
    """Raises :class:`bot.settings.SettingsError` for the first channel whose settings are not whole: before anything starts."""
    for channel in CHANNELS:
        channel.demand(settings)


def doors(settings: Settings, intake: Intake) -> Sequence[Door]:
    """The doors of the channels that are on."""
    return [door for channel in CHANNELS if (door := channel.door(settings, intake)) is not None]


def findings(settings: Settings, connect: bool) -> list[tuple[str, Finding]]:
    """What ``helpline channels check`` or ``connect`` finds, with the channel's name."""
    return [(channel.name, finding) for channel in CHANNELS for finding in (channel.connect if connect else channel.check)(settings)]
