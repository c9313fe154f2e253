"""What of the settings is Telegram's, and whether it is whole."""

from __future__ import annotations

from dataclasses import dataclass

from bot.settings import Settings, SettingsError

PATH = "/channels/telegram"
"""Where Telegram brings updates."""

ALLOWED_UPDATES = ("message", "edited_message", "callback_query", "my_chat_member")
"""The kinds of updates that we ask for: everything else is not even sent to us."""


@dataclass(frozen=True, repr=False)
class TelegramConfig:
    """A whole set of settings. ``bot`` is the bot's public id, the token's part before the colon: update ids are unique within it.

    ``webhook`` is the address for updates, empty with polling. Never log ``token`` or ``secret``.
    """

    token: str
    secret: str
    polling: bool
    api_url: str
    webhook: str

    @property
    def bot(self) -> str:
        return self.token.partition(":")[0]


def demand(settings: Settings) -> TelegramConfig | None:
    """Telegram's settings; ``None``: the channel is off. Raises :class:`SettingsError` that says which one is missing."""
    polling = settings.telegram_mode == "polling"
    if not settings.telegram_token:
        if settings.telegram_secret or polling:
            raise SettingsError("HELPLINE_TELEGRAM_TOKEN is missing: set it, or leave all HELPLINE_TELEGRAM settings empty for no Telegram")
        return None
    if not polling and not settings.telegram_secret:
        raise SettingsError("HELPLINE_TELEGRAM_SECRET is missing: make one of A-Z a-z 0-9 _ -, or set HELPLINE_TELEGRAM_MODE=polling on a laptop")
    if not polling and not settings.public_url:
        raise SettingsError("HELPLINE_PUBLIC_URL is missing: Telegram's webhook needs the outside address; or set HELPLINE_TELEGRAM_MODE=polling on a laptop")
    return TelegramConfig(settings.telegram_token, settings.telegram_secret, polling, settings.telegram_api_url.rstrip("/"),
                          "" if polling else settings.address + PATH)
