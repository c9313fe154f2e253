"""A stock Rasa project, made by ``rasa init`` with its default pipeline and policies, served on its REST channel with its tracker in memory."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx

from bot.evaluation.bench import BenchError, free_port

_PIPELINE = """
pipeline:
  - name: WhitespaceTokenizer
  - name: RegexFeaturizer
  - name: LexicalSyntacticFeaturizer
  - name: CountVectorsFeaturizer
  - name: CountVectorsFeaturizer
    analyzer: char_wb
    min_ngram: 1
    max_ngram: 4
  - name: DIETClassifier
    epochs: 20
    constrain_similarities: true
  - name: EntitySynonymMapper
  - name: FallbackClassifier
    threshold: 0.3
    ambiguity_threshold: 0.1
policies:
  - name: MemoizationPolicy
  - name: RulePolicy
  - name: UnexpecTEDIntentPolicy
    max_history: 5
    epochs: 10
  - name: TEDPolicy
    max_history: 5
    epochs: 10
    constrain_similarities: true
"""
"""What `rasa init` 3.6 writes as its default, named so that it is pinned, with fewer epochs: they change nothing about the speed of a turn."""


class StockServer:
    """Trained once (a minute or two), then serving between enter and exit."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._folder = tempfile.TemporaryDirectory(prefix="helpline-stock-")
        self.port = free_port()
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> StockServer:
        environ = {**os.environ, "RASA_TELEMETRY_ENABLED": "false", "SANIC_WORKERS": "1"}
        rasa = str(Path(sys.executable).with_name("rasa"))
        where = Path(self._folder.name)

        def call(*arguments: str) -> None:
            done = subprocess.run((rasa, *arguments), cwd=where, env=environ, capture_output=True, stdin=subprocess.DEVNULL, check=False)  # noqa: S603
            if done.returncode != 0:
                raise BenchError(f"`rasa {arguments[0]}` failed: {done.stderr.decode(errors='replace')[-300:]}")

        self._say("  making and training a stock project (one to three minutes)")
        call("init", "--no-prompt")
        config = where / "config.yml"
        head = "recipe: default.v1\nassistant_id: stock\nlanguage: en\n"
        config.write_text(head + _PIPELINE, encoding="utf-8")
        call("train", "--quiet")
        self._server = subprocess.Popen((rasa, "run", "-p", str(self.port), "--credentials", "credentials.yml", "--quiet"), cwd=where, env=environ,  # noqa: S603
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 120
        while time.monotonic() < end:
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/").status_code == 200:
                    return self
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        raise BenchError("the stock server did not start")

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait(20)
        self._folder.cleanup()

    def rate(self, texts: Sequence[str], people: int, connections: int = 16) -> float:
        """Messages a second, as fast as it goes; each person's in order."""
        return asyncio.run(self._rate(texts, people, connections))

    async def _rate(self, texts: Sequence[str], people: int, connections: int) -> float:
        began = time.monotonic()
        limits = httpx.Limits(max_connections=connections)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=120, limits=limits) as client:

            async def write(person: int) -> None:
                for number in range(person, len(texts), people):
                    answer = await client.post("/webhooks/rest/webhook", json={"sender": f"person-{person}", "message": texts[number]})
                    answer.raise_for_status()

            await asyncio.gather(*(write(person) for person in range(people)))
        return round(len(texts) / (time.monotonic() - began), 1)


def stock_rate(texts: Sequence[str], say: Callable[[str], None]) -> float:
    """Messages a second of a stock server, warmed up."""
    with StockServer(say) as server:
        server.rate(texts[:60], 20)
        return server.rate(texts, max(1, len(texts) // 6))
