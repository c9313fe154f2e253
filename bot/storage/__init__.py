"""The database: tables, migrations, one :class:`Store`. SQL stands in this room only.

Rooms above use :class:`Store`, its errors and :func:`open_store`; the row modules are the mailbox's tools.
"""

from bot.storage.store import Limits, StorageUnavailable, StorageUnusable, Store, open_store

__all__ = ["Limits", "StorageUnavailable", "StorageUnusable", "Store", "open_store"]
