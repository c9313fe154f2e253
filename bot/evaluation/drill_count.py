"""What a drill came to: the store's word against the provider's."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from bot.evaluation.drill_stand_in import Delivery
from bot.mailbox.audit import Talk, Told

TAKE_OVER_SECONDS = 15.0


@dataclass(frozen=True)
class Report:
    """Figures of one drill; seconds count from its beginning. What must be 0: ``lost``, ``doubled_unmarked``, ``out_of_order``, ``overdue``.

    ``lost``: accepted, and without exactly one row and one outcome, or answered and not delivered though the store says so.
    ``unknown``: the provider may have it and cannot be asked; staff see it. ``overdue``: delivered later than 15 s after its acceptance, or after
    the last kill that came by then and may have hit whoever was at it.
    """

    seed: int
    accepted: int
    delivered: int
    lost: int
    unknown: int
    doubled: int
    doubled_unmarked: int
    out_of_order: int
    overdue: int
    seconds: float
    per_second: float
    wait_median: float
    wait_p95: float
    wait_longest: float
    faults: Mapping[str, int]
    kills: Sequence[tuple[float, str]]
    accepted_at: Sequence[float] = field(repr=False)
    delivered_at: Sequence[float] = field(repr=False)

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled_unmarked or self.out_of_order or self.overdue)

    def as_json(self) -> str:
        return json.dumps({**asdict(self), "good": self.good}, indent=1)


def count(seed: int, talks: Sequence[Talk], accepted: Mapping[str, float], deliveries: Sequence[Delivery], faults: Mapping[str, int],
          kills: Sequence[tuple[float, str]], began: float, *, echo: bool) -> Report:
    """Compare what was accepted, what the store holds and what the provider got. ``echo``: each message has one reply, its own text."""
    by_address: dict[str, list[str]] = defaultdict(list)
    for delivery in deliveries:
        by_address[delivery.address].append(delivery.text)
    heard = Counter(message.text for talk in talks for message in talk.heard if message.outcome == "handled")
    lost = {tag for tag in accepted if heard[tag] != 1}
    told = Counter(reply.text for talk in talks for reply in talk.told)
    if echo:
        lost |= {tag for tag in accepted if told[tag] != 1}
    missing = doubled = unmarked = strange = 0
    for talk in talks:
        found = walk(talk.told, by_address.pop(talk.address, []))
        missing, doubled, unmarked, strange = missing + found[0], doubled + found[1], unmarked + found[2], strange + found[3]
    strange += sum(map(len, by_address.values()))
    first: dict[str, float] = {}
    for delivery in deliveries:
        first.setdefault(delivery.text, delivery.at)
    there = [(at, first[tag]) for tag, at in accepted.items() if tag in first]  # with the real engine answers are no tags: none
    waits = sorted(max(0.0, got - at) for at, got in there)
    end = max((d.at for d in deliveries), default=began)
    return Report(
        seed, len(accepted), len(deliveries), len(lost) + missing, sum(reply.state == "unknown" for talk in talks for reply in talk.told), doubled, unmarked,
        strange, sum(got > _deadline(at, kills) for at, got in there), round(end - began, 2),
        round(len(accepted) / max(end - began, 1e-9), 1), _share(waits, 0.5), _share(waits, 0.95), _share(waits, 1.0), faults=dict(faults),
        kills=[(round(at - began, 2), name) for at, name in kills], accepted_at=sorted(round(at - began, 3) for at in accepted.values()),
        delivered_at=sorted(round(d.at - began, 3) for d in deliveries))


def walk(told: Sequence[Told], delivered: Sequence[str]) -> tuple[int, int, int, int]:
    """Follow one person's deliveries along their send queue: (not delivered though sent, doubled, doubled without a mark, out of order).

    One message is under way at a time, so the deliveries are the queue's texts in order, a doubtful one perhaps twice.
    """
    at = missing = doubled = unmarked = 0
    for reply in told:
        times = 0
        while at < len(delivered) and delivered[at] == reply.text and times < 1 + reply.possible_duplicate:
            at, times = at + 1, times + 1
        extra = 0
        while times and at < len(delivered) and delivered[at] == reply.text and not _again(told, reply):
            at, extra = at + 1, extra + 1
        missing += times == 0 and reply.state in ("sent", "delivered")
        doubled += extra + times - 1 if times else 0
        unmarked += extra
    return missing, doubled, unmarked, len(delivered) - at


def _again(told: Sequence[Told], reply: Told) -> bool:
    """Whether the queue itself says this text more than once."""
    return sum(other.text == reply.text for other in told) > 1


def _deadline(at: float, kills: Sequence[tuple[float, str]]) -> float:
    """When a message accepted at ``at`` must be out: each kill before then begins the time anew, also one shortly before (a lease stays)."""
    until = at + TAKE_OVER_SECONDS
    for kill, _ in sorted(kills):
        if kill <= until:
            until = max(until, kill + TAKE_OVER_SECONDS)
    return until


def _share(values: Sequence[float], share: float) -> float:
    return round(values[min(len(values) - 1, int(share * len(values)))], 3) if values else 0.0
