"""How fast we may send: 30 messages a second in all, one a second to a chat, and pauses that Telegram asks for.

Source: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this. A refusal (429) does not say whether it means one chat or
the whole bot: it is taken for the chat's, unless several chats are refused at the same time.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

from bot.channels.sending import RetryLater

PER_SECOND = 30
CHAT_SECONDS = 1.02
"""A little more than the second, for messages that the network brings closer together."""

LONGEST_WAIT = 2.0
"""Whoever had to wait longer comes again later, and leaves the sender's hands free for others."""

EVERYBODY = 3
"""So many different chats refused within :data:`TOGETHER` seconds: it is the bot that is too fast, not a chat."""

TOGETHER = 2.0
_MOST_CHATS = 10_000


class Pace:
    """The pace of one process. Two processes that send for one bot each keep it, and Telegram's refusals do the rest."""

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep, chat_seconds: float = CHAT_SECONDS
    ) -> None:
        self._monotonic = monotonic
        self._chat_seconds = chat_seconds
        self._sleep = sleep
        self._sent: deque[float] = deque(maxlen=PER_SECOND)
        self._free_at: dict[int, float] = {}
        self._all_free_at = 0.0
        self._refused: deque[tuple[float, int]] = deque(maxlen=50)

    async def turn(self, chat: int) -> None:
        """Return when ``chat`` may be sent one message. Raises :class:`RetryLater` where that takes longer than 2 s."""
        waited = 0.0
        while (wait := self._wait(chat)) > 0:
            if waited + wait > LONGEST_WAIT:
                raise RetryLater("paced", wait)
            await self._sleep(wait)
            waited += wait
        now = self._monotonic()
        self._sent.append(now)
        if len(self._free_at) >= _MOST_CHATS:
            self._free_at = {other: at for other, at in self._free_at.items() if at > now}
        self._free_at[chat] = now + self._chat_seconds

    def refused(self, chat: int, seconds: float) -> None:
        """Telegram refused a message to ``chat`` for ``seconds``. That message waits in the queue, and what follows it there; the others only
        where it looks as if the whole bot was meant."""
        now = self._monotonic()
        self._refused.append((now, chat))
        if len({other for at, other in self._refused if now - at <= TOGETHER}) >= EVERYBODY:
            self._all_free_at = max(self._all_free_at, now + seconds)

    def _wait(self, chat: int) -> float:
        now = self._monotonic()
        second_free = self._sent[0] + 1.0 if len(self._sent) == PER_SECOND else 0.0
        return max(self._free_at.get(chat, 0.0), self._all_free_at, second_free) - now
