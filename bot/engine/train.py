"""Trains the model through Rasa's own training API and puts it in place of the old one in a single step."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from bot.engine.agent_model import Manifest, ModelError, checksum, fingerprint, understanding_kept_in, verified_archive

_STILL_SECONDS = 20.0

Progress = Callable[[str], None]


class TrainError(Exception):
    """Training came to nothing; the old model is untouched. The message says what to mend."""


def is_current(root: Path, folder: Path) -> bool:
    """Say whether the model in ``folder`` is whole and was trained from what stands in ``root`` now."""
    try:
        manifest = Manifest.read(folder)
        verified_archive(folder)
    except ModelError:
        return False
    return manifest is not None and manifest.fingerprint == fingerprint(root)


def train(root: Path, folder: Path, progress: Progress, force: bool = False) -> bool:
    """Train from ``root`` into ``folder``; return ``False`` when nothing had changed.

    ``progress`` gets one short line a step. Takes minutes with all languages. The new model is taken by engines that
    start after it. Raises ``TrainError``.
    """
    if not force and is_current(root, folder):
        return False
    for needed in ("config.yml", "domain", "data/nlu", "data/rules"):
        if not (root / needed).exists():
            raise TrainError(f"{root / needed} is missing: run this in the repository's root")
    before = fingerprint(root)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".training-", dir=folder))
    except OSError as error:
        raise TrainError(f"{folder}/ cannot be written ({error.strerror})") from error
    try:
        progress("starting Rasa")
        with _still(progress):
            archive = _run(root, folder, draft, progress)
        sha256 = checksum(archive)
        target = folder / f"helpline-{sha256[:12]}.tar.gz"
        os.replace(archive, target)
        Manifest(target.name, sha256, before, datetime.now(timezone.utc).isoformat(timespec="seconds"), version("rasa")).write(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    _clear(folder, keep=target)
    return True


def _run(root: Path, folder: Path, draft: Path, progress: Progress) -> Path:
    os.environ["LOG_LEVEL"] = "ERROR"  # Rasa's progress bars read it
    os.environ["RASA_CACHE_DIRECTORY"] = str(draft.resolve() / "cache")
    from bot.engine import agent_light  # noqa: F401 - sets the environment that Rasa and TensorFlow read at import

    with warnings.catch_warnings():
        warnings.showwarning = lambda *_args, **_kwargs: None
        import rasa.utils.train_utils

    from bot.engine import agent

    agent.silence()
    said = io.StringIO()
    here = Path.cwd()
    draft = draft.resolve()
    progress("reading the texts (the first time takes minutes)")
    with understanding_kept_in(folder), _steps(progress), warnings.catch_warnings(), contextlib.redirect_stdout(said):
        warnings.simplefilter("ignore")
        import rasa

        # Forced, since Rasa's own cache knows neither danger patterns nor our code; ours (by fingerprint) makes it quick all the same.
        os.chdir(root)  # paths in the archive's metadata stay relative, as with `rasa train`
        try:
            result = rasa.train("domain", "config.yml", ["data/nlu", "data/rules"], str(draft), force_training=True, fixed_model_name="model")
        except SystemExit as error:
            raise TrainError(_last(said) or "Rasa ended without saying why") from error
        except Exception as error:
            raise TrainError(f"{type(error).__name__}: {error}") from error
        finally:
            os.chdir(here)
    if result.model is None or result.code != 0:
        raise TrainError(_last(said) or "Rasa made no model")
    return Path(result.model)


def _last(said: io.StringIO) -> str:
    return " ".join(said.getvalue().split())[-500:]


def _clear(folder: Path, keep: Path) -> None:
    # The one before stays: an engine that is just starting may have read the old manifest.
    old = sorted((file for file in folder.glob("helpline-*.tar.gz") if file != keep), key=lambda file: file.stat().st_mtime)
    for file in old[:-1]:
        file.unlink(missing_ok=True)


class _Steps:
    """Stands in for the logger of Rasa's training hooks and turns "Starting to train component 'X'." into progress."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def info(self, message: str, *_: object) -> None:
        if message.startswith(("Starting to train", "Restored")):
            self._progress(message.rstrip("."))

    def debug(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def _steps(progress: Progress) -> Iterator[None]:
    from rasa.engine.training import hooks

    before = hooks.logger
    hooks.logger = _Steps(progress)
    try:
        yield
    finally:
        hooks.logger = before


@contextlib.contextmanager
def _still(progress: Progress) -> Iterator[None]:
    done = threading.Event()
    started = time.monotonic()

    def tell() -> None:
        while not done.wait(_STILL_SECONDS):
            progress(f"still training ({time.monotonic() - started:.0f} s)")

    thread = threading.Thread(target=tell, name="train-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
