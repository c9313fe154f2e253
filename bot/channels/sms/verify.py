"""Whether Twilio made a request: ``X-Twilio-Signature`` over our outside address and all parameters, as they were sent.

Source: Twilio, "Webhooks security": HMAC-SHA1 with the account's primary auth token over the whole address and the sorted names and
values of all form parameters, blank ones too. The address is the configured one, never what a ``Host`` header says.
"""

from __future__ import annotations

import hmac
from urllib.parse import parse_qsl, urlparse

from starlette.datastructures import ImmutableMultiDict
from twilio.request_validator import RequestValidator, add_port, remove_port

from bot.channels.base import Refused

MOST_FIELDS = 200


def verified(body: bytes, query: bytes, signature: str | None, address: str, token: str) -> ImmutableMultiDict[str, str]:
    """The parameters of a request to ``address`` (outside address and path) with ``query``, if Twilio signed it.

    Raises :class:`bot.channels.base.Refused` with 403 for whatever else it may be.
    """
    fields = _fields(body)
    if fields is None or not signature:
        raise Refused(403, "signature")
    url = f"{address}?{query.decode('latin-1')}" if query else address
    parsed = urlparse(url)
    validator = RequestValidator(token)
    given = signature.encode("utf-8", "surrogateescape")
    # Twilio signs with or without the port, as its library says; all are compared, and in constant time, which its own comparison is not
    found = [hmac.compare_digest(validator.compute_signature(one, fields).encode("ascii"), given) for one in (remove_port(parsed), add_port(parsed))]
    if not any(found):
        raise Refused(403, "signature")
    return fields


def _fields(body: bytes) -> ImmutableMultiDict[str, str] | None:
    """A form's fields, blank and repeated ones too; ``None`` for bytes that are no form of Twilio's."""
    try:
        return ImmutableMultiDict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS))
    except ValueError:  # not UTF-8, or far too many fields
        return None
