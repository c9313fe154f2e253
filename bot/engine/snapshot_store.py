"""A Rasa tracker store that keeps a ``Snapshot`` and rebuilds a tracker from it for each turn.

In the engine, ``Dialogue`` puts a snapshot in before the turn and takes the tracker out after it. By class path in
``endpoints.yml`` the same store serves ``rasa shell``, where snapshots stay in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rasa.core.brokers.broker import EventBroker
from rasa.core.tracker_store import TrackerStore
from rasa.shared.core.constants import ACTION_LISTEN_NAME, ACTION_SESSION_START_NAME, SESSION_START_METADATA_SLOT
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActionExecuted, ActiveLoop, Event, SessionStarted, SlotSet
from rasa.shared.core.trackers import DialogueStateTracker

from bot.engine.snapshot import Snapshot

# Written by actions, read once by the engine: never remembered.
EFFECTS = "effects"
_FORGOTTEN = frozenset({EFFECTS, SESSION_START_METADATA_SLOT})


def snapshot_of(tracker: DialogueStateTracker, forget: Iterable[str] = ()) -> Snapshot:
    """Keep the slots that differ from their initial values, except ``forget`` and the effects, and the active form."""
    forgotten = _FORGOTTEN.union(forget)
    slots = {name: slot.value for name, slot in tracker.slots.items() if name not in forgotten and slot.value != slot.initial_value}
    return Snapshot(slots, tracker.active_loop_name)


def events_of(snapshot: Snapshot, context: Mapping[str, object], domain: Domain) -> list[Event]:
    """Rebuild the shortest history that leads Rasa to the same state, listening. What the domain no longer has is left out."""
    known = {slot.name for slot in domain.slots}
    slots = {**snapshot.slots, **context}
    events: list[Event] = [ActionExecuted(ACTION_SESSION_START_NAME), SessionStarted()]
    in_form = snapshot.loop is not None and snapshot.loop in domain.form_names
    events += [SlotSet(name, value) for name, value in slots.items() if name in known and (in_form or name != "requested_slot")]
    if in_form:
        events += [ActionExecuted(snapshot.loop), ActiveLoop(snapshot.loop)]
    events.append(ActionExecuted(ACTION_LISTEN_NAME))
    return events


class SnapshotTrackerStore(TrackerStore):
    """Remembers one ``Snapshot`` a conversation. ``host`` and other endpoint options are accepted and unused."""

    def __init__(self, domain: Domain | None = None, event_broker: EventBroker | None = None, **kwargs: Any) -> None:
        """Start empty; Rasa sets ``domain`` again once a model is loaded."""
        kwargs.pop("host", None)
        super().__init__(domain, event_broker, **kwargs)
        self._snapshots: dict[str, Snapshot] = {}
        self._contexts: dict[str, Mapping[str, object]] = {}
        self._saved: dict[str, DialogueStateTracker] = {}

    def begin(self, sender_id: str, snapshot: Snapshot, context: Mapping[str, object]) -> None:
        """Put what the next turn of ``sender_id`` starts from; ``context`` slots are set on top and never remembered."""
        self._snapshots[sender_id] = snapshot
        self._contexts[sender_id] = context

    def end(self, sender_id: str) -> DialogueStateTracker | None:
        """Forget ``sender_id`` and return the tracker that the turn saved, or ``None`` when it saved none."""
        self._snapshots.pop(sender_id, None)
        self._contexts.pop(sender_id, None)
        return self._saved.pop(sender_id, None)

    async def retrieve(self, sender_id: str) -> DialogueStateTracker | None:
        """Rebuild a tracker, or return ``None`` for somebody unknown (Rasa then starts a session)."""
        snapshot = self._snapshots.get(sender_id)
        if snapshot is None:
            return None
        events = events_of(snapshot, self._contexts.get(sender_id, {}), self.domain)
        return DialogueStateTracker.from_events(sender_id, events, slots=self.domain.slots, domain=self.domain)

    async def save(self, tracker: DialogueStateTracker) -> None:
        """Remember the snapshot; between ``begin`` and ``end`` the whole tracker, for the engine to read."""
        if tracker.sender_id in self._contexts:
            self._saved[tracker.sender_id] = tracker
        else:
            self._snapshots[tracker.sender_id] = snapshot_of(tracker)

    async def keys(self) -> Iterable[str]:
        """Return the senders that are remembered."""
        return tuple(self._snapshots)
