"""Erasing leaves nothing but keyed names; the page gets its own messages once and nothing old."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from bot.clock import ManualClock
from bot.mailbox import HandoffChange, LeaseLost, Turn, TurnOutcome, alive, beat, commit, erase, figures, retain, stop_beating, take, web_fetch
from bot.model import Channel, ConversationState, Priority, Reply
from bot.storage import Store, ledger
from bot.storage.tables import attention, conversations, erasures, handoffs, messages, metadata, outgoing, receipts
from tests.mailbox.conftest import People

TOKEN = "a" * 64


def rows(store: Store) -> dict[str, int]:
    with store.read() as tx:
        return {name: int(tx.execute(sa.select(sa.func.count()).select_from(table)).scalar()) for name, table in metadata.tables.items()}


def web(people: People, text: str) -> Turn:
    people.write(text, TOKEN, Channel.WEB)
    return people.turn()


def fetch(store: Store, after: int = 0, token: str = TOKEN) -> list[str]:
    return [m.text for m in web_fetch(store, token, after).messages]


def test_after_erasing_nothing_is_left_but_keyed_names_and_an_entry(people: People, store: Store) -> None:
    turn = web(people, "my secret")
    commit(store, turn, TurnOutcome(ConversationState(language="fi"), (Reply("a"),), b"s", HandoffChange(Priority.HIGH, {"name": "x"}), attention=("danger_now",)))
    people.write("one more", TOKEN, Channel.WEB)
    assert erase(store, "web", TOKEN)
    assert rows(store) == {"conversations": 0, "messages": 0, "outgoing": 0, "receipts": 2, "handoffs": 1, "attention": 1, "erasures": 1, "heartbeats": 0,
                           "chores": 0, "marks": 0, "buckets": 1}
    with store.read() as tx:
        handoff = tx.execute(sa.select(handoffs)).one()
        assert (handoff.conversation_id, handoff.answers, handoff.state, handoff.closed_reason) == (None, None, "closed", "erased")
        assert [entry.kind for entry in ledger.unseen(tx)] == ["erased_by_person"]
        assert set(tx.execute(sa.select(receipts.c.outcome)).scalars()) == {"handled", "erased"}
        hashes = {*tx.execute(sa.select(receipts.c.hash)).scalars(), *tx.execute(sa.select(erasures.c.hash)).scalars()}
    assert store.vault.pseudonym("web", TOKEN) not in hashes
    assert not erase(store, "web", TOKEN)


def test_the_destroyed_key_is_in_no_file_any_more(sqlite_store: Store, clock: ManualClock) -> None:
    store = sqlite_store
    turn = web(People(store, clock), "my secret")
    with store.read() as tx:
        key = bytes(tx.execute(sa.select(conversations.c.data_key)).scalar())
    assert store.path is not None
    files = [store.path, store.path.with_name(store.path.name + "-wal")]
    assert any(key in f.read_bytes() for f in files)
    commit(store, turn, TurnOutcome(ConversationState(), erase=True))
    assert not any(key in f.read_bytes() for f in files if f.exists())


def test_a_busy_reader_only_delays_the_scrubbing(sqlite_store: Store, clock: ManualClock) -> None:
    store = sqlite_store
    turn = web(People(store, clock), "my secret")
    with store.read() as tx:
        key = bytes(tx.execute(sa.select(conversations.c.data_key)).scalar())
        commit(store, turn, TurnOutcome(ConversationState(), erase=True))
    store.scrub_if_due()
    assert store.path is not None
    assert not any(key in f.read_bytes() for f in store.path.parent.iterdir())


def test_a_person_who_erased_is_a_new_person_when_they_write_again(people: People, store: Store) -> None:
    turn = web(people, "one")
    commit(store, turn, TurnOutcome(ConversationState(language="fi", greeted=True), erase=True))
    again = web(people, "two")
    assert again.conversation_id != turn.conversation_id
    assert again.state == ConversationState()
    assert again.snapshot is None
    assert again.handoff is None


def test_a_cry_for_help_that_came_while_erasing_is_not_lost(people: People, store: Store) -> None:
    turn = web(people, "erase everything")
    people.write("he is at the door, help", TOKEN, Channel.WEB)
    commit(store, turn, TurnOutcome(ConversationState(greeted=True), erase=True))
    after = people.turn()
    assert [m.text for m in after.messages] == ["he is at the door, help"]
    assert after.conversation_id != turn.conversation_id
    assert after.state == ConversationState()
    commit(store, after, TurnOutcome(ConversationState(), (Reply("112"),)))
    assert fetch(store) == ["112"]
    with store.read() as tx:
        assert list(tx.execute(sa.select(receipts.c.outcome)).scalars()) == ["handled", "handled"]


def test_the_page_hears_that_it_was_erased_and_its_numbers_go_on_rising(people: People, store: Store) -> None:
    commit(store, web(people, "hi"), TurnOutcome(ConversationState(), (Reply("one"),)))
    (one,) = web_fetch(store, TOKEN, 0).messages
    done = commit(store, web(people, "erase"), TurnOutcome(ConversationState(), (Reply("It is gone."),), erase=True))
    (word,) = web_fetch(store, TOKEN, one.sequence).messages
    assert word.text == "It is gone."
    assert word.sequence > one.sequence
    assert done.conversation_id is not None
    assert rows(store)["messages"] == 0


def test_an_engine_whose_person_was_erased_meanwhile_keeps_nothing(people: People, store: Store) -> None:
    turn = web(people, "hi")
    erase(store, "web", TOKEN)
    with pytest.raises(LeaseLost):
        commit(store, turn, TurnOutcome(ConversationState(greeted=True), (Reply("x"),)))
    assert rows(store)["outgoing"] == rows(store)["conversations"] == 0


def test_what_the_page_shows_is_sent_and_what_it_has_behind_it_is_delivered(people: People, store: Store) -> None:
    commit(store, web(people, "hi"), TurnOutcome(ConversationState(), (Reply("one"), Reply("two"))))
    found = web_fetch(store, TOKEN, 0).messages
    assert [m.text for m in found] == ["one", "two"]
    assert fetch(store) == ["one", "two"]  # the answer may have been lost on the way
    assert fetch(store, found[0].sequence) == ["two"]
    assert fetch(store, found[1].sequence) == []
    assert fetch(store) == []  # whoever opens the page later sees nothing old
    with store.read() as tx:
        assert list(tx.execute(sa.select(outgoing.c.state)).scalars()) == ["delivered", "delivered"]


def test_a_page_that_was_closed_shows_nothing_old_when_somebody_else_opens_it(people: People, store: Store, clock: ManualClock) -> None:
    commit(store, web(people, "hi"), TurnOutcome(ConversationState(), (Reply("one"), Reply("two"))))
    fetch(store)
    clock.advance(3600)
    assert fetch(store) == []


def test_a_page_that_lost_its_connection_for_half_an_hour_still_gets_the_answer(people: People, store: Store, clock: ManualClock) -> None:
    commit(store, web(people, "hi"), TurnOutcome(ConversationState(), (Reply("one"),)))
    clock.advance(1800)
    assert fetch(store) == ["one"]


def test_the_page_knows_whether_an_answer_is_still_to_come(people: People, store: Store) -> None:
    assert not web_fetch(store, TOKEN, 0).pending
    turn = web(people, "hi")
    assert web_fetch(store, TOKEN, 0).pending
    commit(store, turn, TurnOutcome(ConversationState(), (Reply("one"),)))
    assert not web_fetch(store, TOKEN, 0).pending


def test_another_persons_token_shows_what_an_empty_one_shows(people: People, store: Store) -> None:
    commit(store, web(people, "hi"), TurnOutcome(ConversationState(), (Reply("one"),)))
    assert web_fetch(store, "b" * 64, 0) == web_fetch(store, "c" * 64, 7)
    assert fetch(store, token="b" * 64) == []


def test_a_number_that_was_never_given_out_hides_nothing(people: People, store: Store) -> None:
    commit(store, web(people, "hi"), TurnOutcome(ConversationState(), (Reply("one"),)))
    assert fetch(store, 2**53) == ["one"]


def test_an_engine_counts_as_alive_for_ten_seconds_after_its_sign(store: Store, clock: ManualClock) -> None:
    assert not alive(store, "engine")
    beat(store, "engine", "a")
    beat(store, "engine", "a")
    clock.advance(10)
    assert alive(store, "engine")
    assert not alive(store, "doors")
    clock.advance(0.5)
    assert not alive(store, "engine")
    beat(store, "engine", "b")
    clock.jump(-86400)
    assert not alive(store, "engine")
    beat(store, "engine", "b")
    assert alive(store, "engine")
    stop_beating(store, "engine", "b")
    assert not alive(store, "engine")


def test_figures_count_without_naming_anybody(people: People, store: Store, clock: ManualClock) -> None:
    people.write("hi")
    clock.advance(3)
    found = figures(store)
    assert (found.waiting, found.oldest_waiting, found.engine_alive) == (1, 3.0, False)
    commit(store, people.turn(), TurnOutcome(ConversationState(), (Reply("x"),), handoff=HandoffChange(), attention=("danger_now", "danger_now")))
    found = figures(store)
    assert (found.waiting, found.outgoing, found.handoffs, found.attention) == (0, {"queued": 1}, {"requested": 1}, 1)
    assert take(store, "engine-1", 10) is None
    assert rows(store)["attention"] == 1
    assert attention is not None
    assert messages is not None


def test_a_talk_that_no_worker_had_is_erased_after_thirty_silent_days(people: People, store: Store, clock: ManualClock) -> None:
    commit(store, web(people, "hi"), TurnOutcome(ConversationState(), (Reply("one"),)))
    people.write("to a worker", "b" * 64, Channel.WEB)
    commit(store, people.turn(), TurnOutcome(ConversationState(), handoff=HandoffChange()))
    people.write("nobody has answered this yet", "c" * 64, Channel.WEB)
    clock.advance(30 * 86400 - 1)
    assert retain(store) == 0
    clock.advance(2)
    assert retain(store) == 1
    assert rows(store)["conversations"] == 2
    assert rows(store)["receipts"] == 3
    assert not erase(store, "web", TOKEN)


def test_a_talk_that_was_handed_over_is_kept_ninety_days_after_the_last_word(people: People, store: Store, clock: ManualClock) -> None:
    people.write("to a worker", "b" * 64, Channel.WEB)
    commit(store, people.turn(), TurnOutcome(ConversationState(), handoff=HandoffChange()))
    clock.advance(90 * 86400 - 1)
    assert retain(store) == 0
    clock.advance(2)
    assert retain(store) == 1
    assert rows(store)["conversations"] == 0


def test_a_message_for_the_page_says_its_language(people: People, store: Store) -> None:
    commit(store, web(people, "hi"), TurnOutcome(ConversationState(language="ar"), (Reply("one"),)))
    assert web_fetch(store, TOKEN, 0).messages[0].language == "ar"
