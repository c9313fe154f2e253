"""On a laptop: updates are asked for, each is committed before the place is kept, and trouble is told and waited out."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator

import pytest

from bot import logs, mailbox
from bot.channels.telegram.api import Api
from bot.channels.telegram.config import TelegramConfig, demand
from bot.channels.telegram.polling import Polling
from bot.clock import ManualClock
from bot.model import Reply
from bot.settings import load
from bot.storage import StorageUnavailable, Store
from tests.channels.telegram.conftest import ALICE, House, message, settings_for, update
from tests.stand_ins.telegram import TOKEN, TelegramStandIn, Trouble


@pytest.fixture
def laptop(telegram: TelegramStandIn, store: Store, clock: ManualClock) -> Iterator[House]:
    settings = load({"HELPLINE_TELEGRAM_TOKEN": TOKEN, "HELPLINE_TELEGRAM_MODE": "polling", "HELPLINE_TELEGRAM_API_URL": telegram.url})
    house = House(telegram, store, clock, settings)
    yield house
    house.close()


def polling_config(telegram: TelegramStandIn) -> TelegramConfig:
    found = demand(settings_for(telegram.url, HELPLINE_TELEGRAM_MODE="polling"))
    assert found is not None
    return found


def test_somebody_is_heard_and_answered_without_an_outside_address(laptop: House) -> None:
    laptop.telegram.pending.append(update(message=message(text="hello", date=int(laptop.clock.now()))))
    laptop.telegram.wait(lambda: laptop.rows()["messages"] == 1)
    laptop.answer(Reply("an answer"))
    laptop.telegram.wait(lambda: laptop.telegram.texts(ALICE) == ["an answer"])
    asked = laptop.telegram.of("getUpdates")[0]
    assert asked["allowed_updates"] == ["message", "edited_message", "callback_query", "my_chat_member"]


def test_whoever_asks_for_updates_has_no_address_that_takes_them(laptop: House) -> None:
    assert laptop.post(update(message=message(text="hello"))).status_code == 403


def test_after_a_restart_it_goes_on_where_it_stood(laptop: House) -> None:
    """Fault 3."""
    sent = [update(message=message(text=f"m{number}", date=int(laptop.clock.now()))) for number in range(3)]
    laptop.telegram.pending.extend(sent)
    laptop.telegram.wait(lambda: laptop.rows()["messages"] == 3)
    laptop.telegram.wait(lambda: laptop.telegram.of("getUpdates")[-1].get("offset") == sent[-1]["update_id"] + 1)
    laptop.restart()
    asked = len(laptop.telegram.of("getUpdates"))
    laptop.telegram.wait(lambda: len(laptop.telegram.of("getUpdates")) > asked)
    assert laptop.telegram.of("getUpdates")[asked]["offset"] == sent[-1]["update_id"] + 1
    assert [one.text for one in laptop.waiting()] == ["m0", "m1", "m2"]


def test_an_update_that_nobody_can_read_does_not_keep_back_those_behind_it(laptop: House) -> None:
    """Fault 25."""
    laptop.telegram.pending.extend([{"update_id": 1, "message": {"chat": "nonsense", "date": "x"}}, {"update_id": 2, "hologram": 1},
                                    {"update_id": 3, "message": {**message(text="heard"), "photo": "?"}}])
    laptop.telegram.wait(lambda: laptop.rows()["messages"] == 1)
    laptop.telegram.wait(lambda: laptop.telegram.of("getUpdates")[-1].get("offset") == 4)


def step_with(telegram: TelegramStandIn, store: Store, taken: list[object], fail: int = 0) -> tuple[list[float], str]:
    """Poll until something was taken; the pauses that were made, and what was logged."""
    slept: list[float] = []
    out = io.StringIO()
    logs.configure("debug", out)
    failures = iter([True] * fail)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def take(found: object) -> None:
        if next(failures, False):
            raise StorageUnavailable("away")
        taken.append(found)

    async def poll() -> None:
        api = Api(polling_config(telegram))
        polling = Polling(api, store, "1001", take, sleep)
        task = asyncio.create_task(polling.run())
        while not taken:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await api.close()

    asyncio.run(poll())
    return slept, out.getvalue()


@pytest.mark.parametrize(("trouble", "told"), [
    (Trouble(409, "Conflict: terminated by other getUpdates request"), "another_reader_or_a_webhook_has_this_bot"),
    (Trouble(401, "Unauthorized"), "telegram_does_not_know_this_token"),
    (Trouble(502, "Bad Gateway"), "polling_paused"),
])
def test_what_keeps_it_from_reading_is_told_and_waited_out(telegram: TelegramStandIn, store: Store, trouble: Trouble, told: str) -> None:
    telegram.troubles["getUpdates"].extend([trouble] * 4)
    telegram.pending.append(update(message=message(text="hello")))
    taken: list[object] = []
    slept, log = step_with(telegram, store, taken)
    assert len(slept) == 4
    assert all(0 <= seconds <= 60 for seconds in slept)
    assert log.count(told) == 4
    assert TOKEN not in log


def test_it_waits_as_long_as_telegram_says(telegram: TelegramStandIn, store: Store) -> None:
    telegram.troubles["getUpdates"].append(Trouble(429, "Too Many Requests", 17))
    telegram.pending.append(update(message=message(text="hello")))
    assert step_with(telegram, store, [])[0] == [17]


def test_what_could_not_be_stored_is_asked_for_again(telegram: TelegramStandIn, store: Store) -> None:
    telegram.pending.append(update(message=message(text="hello")))
    taken: list[object] = []
    slept, _ = step_with(telegram, store, taken, fail=2)
    assert len(slept) == 2
    assert taken[0] == telegram.pending[0]
    assert mailbox.mark_of(store, "telegram.offset.1001") in (None, str(telegram.pending[0]["update_id"] + 1))
