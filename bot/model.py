"""Plain frozen types that every room shares. Imports nothing of ours.

Names are those of the design: conversation, message, handoff, language, danger, intent, button, phrase.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum


class Channel(str, Enum):
    """A door through which a person writes."""

    WEB = "web"
    TELEGRAM = "telegram"
    SMS = "sms"


class Danger(str, Enum):
    """The grade of danger of one message. ``NOW`` exactly when the intent is ``report_emergency``."""

    NOW = "now"
    POSSIBLE = "possible"
    NONE = "none"


class Flag(str, Enum):
    """What a message shows beside its intent."""

    MINOR = "minor"
    SELF_HARM = "self_harm"
    TEXT_ONLY = "text_only"


class Priority(IntEnum):
    """How urgent a handoff is; 3 is danger now."""

    NORMAL = 0
    RAISED = 1
    HIGH = 2
    DANGER_NOW = 3


class HandoffState(str, Enum):
    """Where a handoff stands. ``REQUESTED`` is stored; ``PAGED`` means that a worker was told."""

    REQUESTED = "requested"
    PAGED = "paged"
    CLAIMED = "claimed"
    RETURNED = "returned"
    CLOSED = "closed"


class MessageKind(str, Enum):
    """What arrived. Everything but text and button is a marker: nothing is fetched or opened. A marker's text is what was written under it."""

    TEXT = "text"
    BUTTON = "button"
    VOICE = "voice"
    PHOTO = "photo"
    LOCATION = "location"
    CONTACT = "contact"
    DOCUMENT = "document"
    OTHER = "other"


class SendState(str, Enum):
    """The life of an outgoing message; all but the first two are final, save ``SENT`` that may become ``DELIVERED`` or ``FAILED``."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class Flood(IntEnum):
    """How an incoming message stands to its sender's limits. ``FIRST_OVER`` is the one after which the person is told, once."""

    WITHIN = 0
    FIRST_OVER = 1
    OVER = 2


class Author(str, Enum):
    """Who wrote an outgoing message."""

    BOT = "bot"
    WORKER = "worker"


@dataclass(frozen=True)
class Understanding:
    """What one text was understood as.

    ``language`` is a code of the table of languages, another ISO 639 code that was identified, or ``"und"``.
    ``intent`` is always one of the contract's intents (never a fallback name); ``confidence`` its calibrated
    probability in 0–1. ``ranking`` holds (intent, probability), best first. ``fishing``: wants to know what somebody else
    wrote, or whether they did.
    """

    text: str
    language: str
    language_confidence: float
    intent: str
    confidence: float
    danger: Danger
    flags: frozenset[Flag] = frozenset()
    ranking: tuple[tuple[str, float], ...] = ()
    fishing: bool = False


@dataclass(frozen=True)
class Button:
    """A choice beside a reply. ``id`` is stable and language-free, ``label`` is what the person reads."""

    id: str
    label: str


@dataclass(frozen=True)
class Reply:
    """One outgoing message of the bot. ``segments`` is the number of SMS segments, ``None`` on other channels."""

    text: str
    buttons: tuple[Button, ...] = ()
    segments: int | None = None


@dataclass(frozen=True)
class Incoming:
    """A verified, parsed message from a door, before it is stored.

    ``provider_id`` is unique within its channel; ``address`` is where replies go (a phone number, a chat id, a page's
    token). ``hint`` is a guess of the language (Telegram's ``language_code``, the page's choice, the number's country).
    ``reference`` is what the provider calls this message where it can delete or redact it later (Telegram's message id, an SMS's SID).
    ``edited``: a message that was sent before, as it reads now. ``sent_at``: when the person sent it, as far as the provider says (seconds
    since the epoch, UTC): what arrives late is not answered as if it were new.
    """

    channel: Channel
    address: str
    provider_id: str
    kind: MessageKind = MessageKind.TEXT
    text: str = ""
    button: str | None = None
    hint: str | None = None
    reference: str | None = None
    edited: bool = False
    sent_at: float | None = None


@dataclass(frozen=True)
class StoredMessage:
    """An incoming message as the engine reads it back, decrypted. ``sequence`` orders a conversation's messages."""

    id: int
    sequence: int
    kind: MessageKind
    text: str
    button: str | None
    hint: str | None
    received_at: float
    edited: bool = False
    flood: Flood = Flood.WITHIN


@dataclass(frozen=True)
class ConversationState:
    """What must outlive Rasa's working memory: ours, one row a conversation. Times are seconds since the epoch, UTC."""

    language: str | None = None
    language_chosen: bool = False
    other_language: str | None = None
    other_language_count: int = 0
    quiet_since: float | None = None
    opted_out_at: float | None = None
    greeted: bool = False
    subject_named: bool = False
    last_heard_at: float | None = None
    danger_now_at: float | None = None
    danger_possible_at: float | None = None
    emergency_told_at: float | None = None
    flags: frozenset[Flag] = frozenset()
    not_understood: int = 0
    question: str | None = None
    pending: str | None = None
    options: tuple[str, ...] = ()
    last_intent: str | None = None


@dataclass(frozen=True)
class Handoff:
    """A request for a worker. At most one open (not closed) a conversation."""

    id: int
    state: HandoffState
    priority: Priority
    requested_at: float
    answers: dict[str, str] = field(default_factory=dict)
