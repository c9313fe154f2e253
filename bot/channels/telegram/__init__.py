"""Telegram: updates come in by webhook or long polling, replies go out through the Bot API.

Rules of the provider are those of https://core.telegram.org/bots/api and https://core.telegram.org/bots/faq.
"""

import os

# python-telegram-bot gives periods as timedelta where this is set, and warns that integers are deprecated where it is not (its docs, "v22.2").
os.environ.setdefault("PTB_TIMEDELTA", "1")
