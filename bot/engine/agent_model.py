"""The trained model on disk: an archive that Rasa wrote and a manifest beside it that says which, from what, with which checksum.

``models/model.json`` is replaced last and atomically, so a reader sees the old model or the new one, never half of one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.understanding.understand import Understander

MANIFEST = "model.json"
_VERSION = 1


class ModelError(Exception):
    """The model cannot be used. The message is one line and tells a person what to do."""


@dataclass(frozen=True)
class Manifest:
    """``archive`` is a file name in the model folder, ``sha256`` its checksum, ``fingerprint`` that of what it was trained from."""

    archive: str
    sha256: str
    fingerprint: str
    trained_at: str
    rasa: str
    v: int = _VERSION

    def write(self, folder: Path) -> None:
        """Replace the folder's manifest atomically."""
        draft = folder / f".{MANIFEST}.{os.getpid()}"
        draft.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        os.replace(draft, folder / MANIFEST)

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """Return the folder's manifest, ``None`` when there is none. Raises ``ModelError`` for one that cannot be read."""
        try:
            data = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise ModelError(f"{folder / MANIFEST} cannot be read: run `helpline train --force`") from error
        try:
            manifest = cls(**data)
        except TypeError as error:
            raise ModelError(f"{folder / MANIFEST} is of another version: run `helpline train --force`") from error
        if manifest.v != _VERSION or Path(manifest.archive).name != manifest.archive:
            raise ModelError(f"{folder / MANIFEST} is of another version: run `helpline train --force`")
        return manifest


def checksum(file: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def verified_archive(folder: Path) -> Path:
    """Return the path of the trained archive after checking its sum. Raises ``ModelError`` when it is absent, cut short or changed."""
    manifest = Manifest.read(folder)
    if manifest is None:
        raise ModelError(f"there is no trained model in {folder}/: run `helpline train`")
    archive = folder / manifest.archive
    try:
        found = checksum(archive)
    except OSError as error:
        raise ModelError(f"the model file {archive} is missing or cannot be read: run `helpline train --force`") from error
    if found != manifest.sha256:
        raise ModelError(f"the model file {archive} is broken (its checksum is not the one it was trained with): run `helpline train --force`")
    return archive


def fingerprint(root: Path) -> str:
    """Return a hash over all that a model is trained from: ``data/``, ``domain/``, ``config.yml``, our components, Rasa's version."""
    digest = hashlib.sha256()
    try:
        digest.update(f"rasa {version('rasa')}".encode())
    except PackageNotFoundError:  # pragma: no cover - an environment without Rasa cannot train
        pass
    for file in sorted(_sources(root)):
        digest.update(f"\n{file.relative_to(root).as_posix()} {checksum(file)}".encode())
    return digest.hexdigest()


def _sources(root: Path) -> Iterator[Path]:
    for folder, pattern in (("data", "*"), ("domain", "*.yml"), ("bot/understanding", "*.py")):
        yield from (file for file in (root / folder).rglob(pattern) if file.is_file() and not file.name.startswith("."))
    if (root / "config.yml").is_file():
        yield root / "config.yml"


@contextmanager
def understanding_kept_in(folder: Path) -> Iterator[None]:
    """Let the understanding's encoder and trained parts live in the model's folder.

    The graph components read ``HELPLINE_VAR``; a fresh ``HELPLINE_VAR`` (another database, a drill) must not train anew.
    """
    before = os.environ.get("HELPLINE_VAR")
    os.environ["HELPLINE_VAR"] = str(folder.resolve())
    try:
        yield
    finally:
        if before is None:
            del os.environ["HELPLINE_VAR"]
        else:
            os.environ["HELPLINE_VAR"] = before


def load_understander(folder: Path) -> Understander:
    """Load what `helpline train` learned. Raises ``ModelError`` when there is nothing yet, rather than to train for minutes."""
    if not (folder / "understanding" / "current").exists():
        raise ModelError(f"there is no trained model in {folder}/: run `helpline train`")
    from bot.understanding.understand import Understander

    return Understander.load(var=folder)
