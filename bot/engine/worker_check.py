"""``helpline check``: is everything there, and does it fit together? Imports no Rasa."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from bot.engine.agent_model import Manifest, ModelError, fingerprint, load_understander, verified_archive
from bot.phrases.catalog import MissingPhrase
from bot.phrases.check import check_repository
from bot.phrases.facts import fact_values
from bot.phrases.languages import load_languages
from bot.settings import Settings, SettingsError
from bot.storage import StorageUnavailable, StorageUnusable, open_store
from bot.vault import VaultError

_PLAIN = (ModelError, MissingPhrase, SettingsError, StorageUnusable, StorageUnavailable, VaultError)


class _Problem(Exception):
    """Something is missing; the message says what to do."""


def problems(root: Path, settings: Settings) -> Iterator[tuple[str, str | None]]:
    """Yield (what was checked, ``None`` or one line that says what is wrong and what to do), in order."""
    checks: tuple[tuple[str, Callable[[], None]], ...] = (
        ("data", lambda: _data(root)),
        ("catalogs", lambda: _catalogs(root, settings)),
        ("model", lambda: _model(root, settings)),
        ("database", lambda: _database(settings)),
    )
    for name, check in checks:
        try:
            check()
        except (*_PLAIN, _Problem, FileNotFoundError) as error:
            yield name, str(error)
        except Exception as error:
            yield name, f"cannot be checked ({type(error).__name__})"
        else:
            yield name, None


def _data(root: Path) -> None:
    for needed in ("config.yml", "endpoints.yml", "domain", "data/nlu", "data/rules", "data/danger", "data/keywords", "translations/languages.toml"):
        place = root / needed
        if not place.exists() or (place.is_dir() and not any(place.iterdir())):
            raise _Problem(f"{needed} is missing or empty: run this in a whole copy of the repository")


def _catalogs(root: Path, settings: Settings) -> None:
    wrong = check_repository(root, fact_values(settings))
    if wrong:
        more = "" if len(wrong) == 1 else f" (and {len(wrong) - 1} more: `python -m bot.phrases.check`)"
        raise _Problem(f"{wrong[0]}{more}")
    for code in load_languages(root / "translations"):
        for part in ("nlu", "danger", "keywords"):
            if not (root / "data" / part / f"{code}.yml").is_file():
                raise _Problem(f"language {code} is in translations/languages.toml but data/{part}/{code}.yml is missing")


def _model(root: Path, settings: Settings) -> None:
    verified_archive(settings.model)
    manifest = Manifest.read(settings.model)
    if manifest is None or manifest.fingerprint != fingerprint(root):
        raise _Problem("the model was trained from something else than what stands here now: run `helpline train`")
    try:
        load_understander(settings.model).parse("hello")
    except ModelError:
        raise
    except Exception as error:
        raise _Problem(f"the model does not fit this program ({type(error).__name__}): run `helpline train --force`") from error


def _database(settings: Settings) -> None:
    store = open_store(settings)
    try:
        if store.sqlite:
            store.migrate()  # as `helpline run` does
        store.check()
    finally:
        store.close()
