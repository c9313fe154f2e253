"""The application around the doors: readiness, limits, headers, and errors that tell nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.types import Message, Receive, Scope, Send

from bot.channels.base import Refused
from bot.mailbox import beat
from bot.settings import load
from bot.storage import Store
from bot.web import guard
from bot.web.app import Doors, create_app
from tests.web.conftest import ALICE, House


async def test_the_doors_are_ready_only_when_an_engine_works(house: House) -> None:
    assert (await house.client.get("/healthz")).status_code == 200
    answer = await house.client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"doors": True, "store": True, "engine": False})
    beat(house.store, "engine", "e1")
    assert (await house.client.get("/readyz")).json()["engine"] is True
    house.clock.advance(11)
    assert (await house.client.get("/readyz")).status_code == 503


async def test_without_a_store_the_doors_live_and_are_not_ready(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.store.engine.dispose()
    assert house.store.path is not None
    for file in house.store.path.parent.iterdir():
        file.unlink()
    house.store.path.parent.rmdir()
    assert (await house.client.get("/healthz")).status_code == 200
    assert (await house.client.get("/readyz")).json() == {"doors": True, "store": False, "engine": False}
    assert (await house.send({"id": "m", "text": "x"})).status_code == 503


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/healthz", 200), ("/none", 404), ("/channels/web/poll", 405)])
async def test_every_answer_carries_what_browsers_obey(house: House, path: str, status: int) -> None:
    answer = await house.client.get(path)
    assert answer.status_code == status
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "server" not in answer.headers
    assert "set-cookie" not in answer.headers
    assert "strict-transport-security" not in answer.headers


async def test_behind_tls_browsers_are_told_to_stay_there(store: Store) -> None:
    app = create_app(load({"HELPLINE_PUBLIC_URL": "https://help.example.org"}), store)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://helpline.test") as client:
        assert (await client.get("/healthz")).headers["strict-transport-security"].startswith("max-age=")


async def test_a_fault_of_ours_tells_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def fall(*_: object) -> None:
        raise RuntimeError("he took my passport")

    monkeypatch.setattr("bot.channels.base.receive", fall)
    answer = await house.send({"id": "m", "text": "he took my passport"})
    assert (answer.status_code, answer.content) == (500, b'{"error":"internal"}')


async def test_a_body_that_is_too_big_is_refused_whether_it_says_so_or_not(house: House) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"x" * 1000

    headers = {"authorization": f"Bearer {ALICE}"}
    for content in (b"x" * (guard.MOST_BODY_BYTES + 1), chunks()):
        answer = await house.client.post("/channels/web/messages", content=content, headers=headers)
        assert (answer.status_code, answer.json()) == (413, {"error": "too_long"})


async def test_a_body_that_never_comes_is_not_waited_for() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("nobody may be bothered with half a body")

    async def never() -> Message:
        await asyncio.sleep(3600)
        raise AssertionError

    with pytest.raises(Refused) as caught:
        await guard.Body(app, seconds=0.05)({"type": "http", "method": "POST", "headers": []}, never, never)  # type: ignore[arg-type]
    assert (caught.value.status, caught.value.code) == (408, "too_slow")


class Knocker:
    """Knocks at a rate limit from an address and notes the answers."""

    def __init__(self, per_second: float, burst: int) -> None:
        self.now = 0.0
        self.limit = guard.Rate(self._open, per_second, burst, lambda: self.now)

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def knock(self, host: str, path: str = "/") -> int:
        found: list[int] = []

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                found.append(message["status"])

        await self.limit({"type": "http", "method": "GET", "path": path, "client": (host, 1), "headers": []}, None, send)  # type: ignore[arg-type]
        return found[0]


async def test_a_flood_from_one_address_is_stopped_and_others_are_served() -> None:
    door = Knocker(per_second=2, burst=5)
    assert [await door.knock("198.51.100.1") for _ in range(7)] == [200] * 5 + [429] * 2
    assert await door.knock("198.51.100.2") == 200
    assert await door.knock("198.51.100.1", "/healthz") == 200
    door.now += 1
    assert [await door.knock("198.51.100.1") for _ in range(3)] == [200, 200, 429]


async def test_an_ipv6_home_is_one_address() -> None:
    door = Knocker(per_second=1, burst=1)
    assert await door.knock("2001:db8::1") == 200
    assert await door.knock("2001:db8::2") == 429
    assert await door.knock("2001:db8:0:1::1") == 200
    assert await door.knock("::ffff:198.51.100.3") == 200
    assert await door.knock("198.51.100.3") == 429


async def test_a_limit_of_zero_limits_nobody() -> None:
    door = Knocker(per_second=0, burst=1)
    assert {await door.knock("198.51.100.1") for _ in range(50)} == {200}


async def test_the_default_limit_stands_in_nobodys_way() -> None:
    settings = load({})
    door = Knocker(settings.rate_per_second, settings.rate_burst)
    everybody_at_a_reception_centre = [await door.knock("198.51.100.1") for _ in range(200) for _ in range(3)]
    assert set(everybody_at_a_reception_centre) == {200}


async def figures(house: House, **given: Any) -> httpx.Response:
    transport = httpx.ASGITransport(house.doors.app, client=(given.pop("host", "127.0.0.1"), 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://helpline.test") as client:
        return await client.get("/metrics", **given)


async def test_figures_are_for_this_machine_only(house: House) -> None:
    assert (await figures(house)).status_code == 200
    assert (await figures(house, host="::1")).status_code == 200
    assert (await figures(house, host="198.51.100.7")).status_code == 404
    assert (await figures(house, headers={"x-forwarded-for": "127.0.0.1"})).status_code == 404


async def test_figures_are_for_the_holder_of_the_token(store: Store) -> None:
    app = create_app(load({"HELPLINE_METRICS_TOKEN": "s3cret"}), store)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app, client=("198.51.100.7", 1)), base_url="http://helpline.test") as client:
        assert (await client.get("/metrics", headers={"authorization": "Bearer s3cret"})).status_code == 200
        assert (await client.get("/metrics", headers={"authorization": "Bearer wrong"})).status_code == 404
        assert (await client.get("/metrics")).status_code == 404


async def test_figures_count_and_name_nobody(house: House) -> None:
    await house.send({"id": "m1", "text": "secret words"})
    await house.send({"id": "m1", "text": "secret words"})
    await house.client.get(f"/none/{ALICE}")
    text = (await figures(house)).text
    samples = {(s.name, tuple(sorted(s.labels.items()))): s.value for family in text_string_to_metric_families(text) for s in family.samples}
    assert samples["helpline_received_total", (("channel", "web"), ("repeat", "no"))] == 1
    assert samples["helpline_received_total", (("channel", "web"), ("repeat", "yes"))] == 1
    assert samples["helpline_waiting_messages", ()] == 1
    assert samples["helpline_engine_up", ()] == 0
    assert ALICE not in text
    assert "secret" not in text
    assert "198.51.100.7" not in text


def test_the_doors_import_nothing_heavy() -> None:
    code = ("import sys, bot.web.run, bot.web.supervise; "
            "print([m for m in ('rasa', 'tensorflow', 'spacy', 'sklearn', 'numpy', 'onnxruntime', 'alembic') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, cwd=Path(__file__).parents[2])
    assert done.stdout.strip() == "[]"


async def test_the_doors_forget_what_is_too_old_while_nobody_asks(house: House) -> None:
    from bot.model import Reply

    await house.send({"id": "m1", "text": "x"})
    house.answer(Reply("late"))
    house.clock.advance(3601)
    doors = Doors(load({}), house.store)
    async with doors.app.router.lifespan_context(doors.app):
        await asyncio.sleep(0.3)
    from bot.mailbox import figures as count

    assert count(house.store).outgoing == {"expired": 1}
