"""Our real doors and a stand-in for Twilio, each behind a socket of this machine, on a clock that stands still."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa

from bot import logs
from bot.clock import Clock, ManualClock
from bot.mailbox import Turn, TurnOutcome, commit, take
from bot.model import ConversationState, Reply
from bot.settings import Settings, load
from bot.storage import Limits, Store, ledger
from bot.storage.tables import messages, outgoing
from bot.vault import SecretKeys, Vault
from bot.web.app import Doors
from tests.stand_ins.serving import serving, until
from tests.stand_ins.twilio import ACCOUNT, NUMBER, PUBLIC, TOKEN, TwilioStandIn, twilio

ALICE, BOB = "+12025550101", "+12025550102"


@dataclass
class House:
    """Everything that an SMS passes. ``log`` is what was logged."""

    twilio: TwilioStandIn
    store: Store
    clock: ManualClock
    settings: Settings
    log: io.StringIO = field(default_factory=io.StringIO)

    def turn(self) -> Turn:
        turn = take(self.store, "engine-1", 10)
        assert turn is not None
        return turn

    def answer(self, *texts: str, state: ConversationState | None = None) -> None:
        commit(self.store, self.turn(), TurnOutcome(state if state is not None else ConversationState(), tuple(Reply(text) for text in texts)))

    def heard(self) -> int:
        with self.store.read() as tx:
            return int(tx.execute(sa.select(sa.func.count()).select_from(messages)).scalar())

    def states(self) -> list[tuple[str, str | None]]:
        with self.store.read() as tx:
            return [(row.state, row.reason) for row in tx.execute(sa.select(outgoing.c.state, outgoing.c.reason).order_by(outgoing.c.id))]

    def doubled(self) -> list[bool]:
        with self.store.read() as tx:
            return list(tx.execute(sa.select(outgoing.c.possible_duplicate).order_by(outgoing.c.id)).scalars())

    def attention(self) -> list[str]:
        with self.store.read() as tx:
            return [entry.kind for entry in ledger.unseen(tx)]

    def until_states(self, *states: str) -> None:
        until(lambda: [state for state, _ in self.states()] == list(states), f"the states did not become {states}")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> Iterator[Store]:
    store = Store.throwaway(Vault(SecretKeys.parse(SecretKeys.generate())), clock, Limits(redact=frozenset({"sms"})))
    yield store
    store.close()


@pytest.fixture(scope="session")
def provider() -> Iterator[Callable[[Clock], TwilioStandIn]]:
    with twilio() as fresh:
        yield fresh


@pytest.fixture
def stand_in(provider: Callable[[Clock], TwilioStandIn], clock: ManualClock) -> TwilioStandIn:
    return provider(clock)


@pytest.fixture
def settings(stand_in: TwilioStandIn) -> Settings:
    return load({"HELPLINE_TWILIO_ACCOUNT_SID": ACCOUNT, "HELPLINE_TWILIO_AUTH_TOKEN": TOKEN, "HELPLINE_TWILIO_FROM": NUMBER,
                 "HELPLINE_PUBLIC_URL": PUBLIC, "HELPLINE_TWILIO_API_URL": stand_in.url})


@pytest.fixture
def house(settings: Settings, stand_in: TwilioStandIn, store: Store, clock: ManualClock) -> Iterator[House]:
    log = io.StringIO()
    logs.configure("debug", log)
    with serving(Doors(settings, store).app, lifespan="on") as url:
        stand_in.app_url = url
        yield House(stand_in, store, clock, settings, log)
    logs.configure("debug", io.StringIO())
