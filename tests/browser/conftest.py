"""A running helpline (doors and engine as real processes) and a real Chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from socket import socket

import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[2]
SEEN = ROOT / "var" / "screenshots"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The system's Chromium; a skip that says so where there is none, an error in CI."""
    path = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
    if path is None:
        assert not os.environ.get("CI"), "Chromium is missing and CI skips nothing"
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
        browser = playwright.chromium.launch(executable_path=path, args=quiet)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def helpline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``helpline run`` on a free port; yields its address once doors and engine work."""
    if not (ROOT / "models").exists():
        assert not os.environ.get("CI"), "no trained model and CI skips nothing"
        pytest.skip("no trained model: make setup")
    with closing(socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environ = {**os.environ, "HELPLINE_VAR": str(tmp_path_factory.mktemp("var")), "HELPLINE_PORT": str(port), "HELPLINE_MODEL": str(ROOT / "models")}
    process = subprocess.Popen([sys.executable, "-m", "bot", "run"], cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(1200):
            assert process.poll() is None, "helpline run ended by itself"
            try:
                if httpx.get(url + "/readyz", timeout=5).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        else:
            raise AssertionError("the helpline was not ready within two minutes")
        yield url
    finally:
        process.terminate()
        process.wait(30)
