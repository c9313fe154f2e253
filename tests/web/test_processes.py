"""The doors and the supervisor as real processes on this machine."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from bot.mailbox import TurnOutcome, commit, take
from bot.model import ConversationState, Reply
from bot.settings import SettingsError, load
from bot.storage import open_store
from bot.web.run import listen
from bot.web.supervise import Child, children

ROOT = Path(__file__).parents[2]
CANARY = "CANARY he took my passport"
TOKEN = "d" * 64
HEADERS = {"authorization": f"Bearer {TOKEN}"}


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_open(url: str, seconds: float) -> float:
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        try:
            if httpx.get(url + "/healthz").status_code == 200:
                return time.monotonic() - began
        except httpx.TransportError:
            time.sleep(0.02)
    raise AssertionError("the doors did not open")


@contextmanager
def running(code: str, var: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    environ = {**os.environ, "HELPLINE_VAR": str(var), "HELPLINE_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


DOORS = "import os; from bot import logs, settings; logs.configure('debug'); from bot.web.run import serve; serve(settings.load(os.environ))"


def test_the_doors_open_quickly_answer_end_in_order_and_say_nothing_of_what_was_written(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = load({"HELPLINE_VAR": str(tmp_path)})
    store = open_store(settings)
    store.migrate()
    with running(DOORS, tmp_path, port) as doors:
        assert wait_until_open(url, 20) < 10  # 2 s on an idle machine; tests share theirs
        assert httpx.post(url + "/channels/web/messages", json={"id": "m1", "text": CANARY}, headers=HEADERS).status_code == 202
        assert httpx.post(url + "/channels/web/messages", content=b"{" + CANARY.encode(), headers=HEADERS).status_code == 400
        assert httpx.get(url + "/" + "CANARY").status_code == 404
        big = httpx.post(url + "/channels/web/messages", content=CANARY.encode() * 100_000, headers=HEADERS)
        assert big.status_code == 413
        turn = take(store, "engine-1", 10)
        assert turn is not None
        commit(store, turn, TurnOutcome(ConversationState(), (Reply(CANARY),)))
        found = httpx.post(url + "/channels/web/poll", json={"after": 0}, headers=HEADERS, timeout=30).json()
        assert [m["text"] for m in found["messages"]] == [CANARY]
        began = time.monotonic()
        doors.terminate()
        out, errors = doors.communicate(timeout=20)
        assert doors.returncode == 0
        assert time.monotonic() - began < 8
    store.close()
    said = out + errors + b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"CANARY" not in said
    assert TOKEN.encode() not in said
    assert [json.loads(line)["event"] for line in errors.splitlines()] == ["doors_open", "doors_closed"]


def test_a_body_that_comes_drop_by_drop_is_cut_off_and_others_are_served_meanwhile(tmp_path: Path) -> None:
    port = free_port()
    store = open_store(load({"HELPLINE_VAR": str(tmp_path)}))
    store.migrate()
    store.close()
    slow = DOORS.replace("from bot.web.run", "from bot.web import guard; guard.Body.__init__.__defaults__ = (0.5,); from bot.web.run")
    with running(slow, tmp_path, port):
        wait_until_open(f"http://127.0.0.1:{port}", 20)
        with closing(socket.create_connection(("127.0.0.1", port))) as wire:
            wire.sendall(b"POST /channels/web/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
            wire.settimeout(15)
            assert wire.recv(4096).startswith(b"HTTP/1.1 408")


def test_a_port_that_is_taken_is_one_plain_line() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SettingsError, match="HELPLINE_PORT"):
            listen(load({"HELPLINE_PORT": str(taken.getsockname()[1])}))


SUPERVISOR = """
import os, sys
from bot import logs, settings
logs.configure('info')
from bot.web import supervise
supervise._FIRST_PAUSE = 0.1
part = (sys.executable, '-c', "import time, signal, sys; signal.signal(signal.SIGTERM, lambda *a: sys.exit(0)); time.sleep(60)")
supervise.supervise(settings.load(os.environ), (supervise.Child('web', part, pause=0.1), supervise.Child('engine', part, pause=0.1)))
"""


def child_ids(parent: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=False).stdout
    return sorted(int(pid) for pid in found.split())


def until(check: object, seconds: float = 20.0) -> list[int]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found: list[int] = check()  # type: ignore[operator]
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def test_a_part_that_dies_is_started_again_and_all_end_together(tmp_path: Path) -> None:
    with running(SUPERVISOR, tmp_path, 8099) as supervisor:
        first = until(lambda: two if len(two := child_ids(supervisor.pid)) == 2 else [])
        time.sleep(0.5)
        os.kill(first[1], signal.SIGKILL)
        second = until(lambda: two if len(two := child_ids(supervisor.pid)) == 2 and two != first else [])
        assert first[0] in second
        time.sleep(0.5)
        supervisor.terminate()
        out, errors = supervisor.communicate(timeout=20)
        assert supervisor.returncode == 0
    assert out.decode().splitlines()[0] == "The chat page: http://127.0.0.1:8099/"
    assert [json.loads(line)["event"] for line in errors.splitlines()] == ["child_fell"]
    for pid in second:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_part_that_keeps_falling_is_started_ever_more_slowly() -> None:
    part = Child("web", (sys.executable, "-c", "raise SystemExit(3)"))
    part.start()
    pauses = []
    for _ in range(3):
        assert part.process is not None
        part.process.wait()
        part.look()
        pauses.append(part.pause)
        assert part.process is None
        part.not_before = 0.0
        part.look()
    assert part.process is not None
    part.process.wait()
    assert pauses == [1.0, 2.0, 4.0]
    assert part.falls == 3


def test_doors_come_first_so_that_people_are_heard_while_the_engine_loads() -> None:
    assert [part.name for part in children()] == ["web", "engine"]
    assert children()[0].command[1:] == ("-m", "bot", "web")
