"""The chat page: one document, its strings in every language, three small files. Nothing from outside, nothing remembered."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from bot.phrases.catalog import Phrases
from bot.settings import Settings

HERE = Path(__file__).resolve().parent
FILES = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
STRINGS = ("title", "intro", "keeps", "emergency", "line", "language", "write", "send", "exit", "exit_hint", "exit_truth", "erase", "you", "service",
           "worker", "offline", "online", "failed", "waiting", "slow", "log", "draft", "about", "too_long")
DEFAULT = "fi"


class Page:
    """The page's routes over the catalogs. Rendering is cached: the settings and catalogs do not change in a process."""

    def __init__(self, phrases: Phrases, settings: Settings) -> None:
        """``settings`` give the numbers, the days that a talk is kept and where "leave" leads."""
        self._phrases, self._settings = phrases, settings
        self._template = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined).get_template("page.html")
        self.html = lru_cache(maxsize=64)(self._html)

    def routes(self) -> list[Route]:
        """``/``, ``/strings/{code}``, ``/static/{name}``."""
        return [
            Route("/", self.page, methods=["GET"]),
            Route("/strings/{code}", self.strings, methods=["GET"]),
            Route("/static/{name}", self.file, methods=["GET"]),
        ]

    async def page(self, request: Request) -> Response:
        """The page in ``?lang=``, else in the browser's first language that we have, else in Finnish."""
        return HTMLResponse(self.html(self._choose(request)), headers={"Content-Language": self._choose(request), "Vary": "Accept-Language", "Cache-Control": "no-store"})

    async def strings(self, request: Request) -> Response:
        """The page's words in one language; 404 for one that we do not have."""
        code = request.path_params["code"]
        if code not in self._phrases.languages:
            return JSONResponse({"error": "no_such_language"}, status_code=404)
        return JSONResponse(self._words(code), headers={"Cache-Control": "public, max-age=3600"})

    async def file(self, request: Request) -> Response:
        """One of the three files."""
        name = request.path_params["name"]
        if name not in FILES:
            return JSONResponse({"error": "not_found"}, status_code=404)
        return FileResponse(HERE / "static" / name, media_type=FILES[name], headers={"Cache-Control": "public, max-age=3600"})

    def _choose(self, request: Request) -> str:
        known = self._phrases.languages
        wanted = request.query_params.get("lang", "")
        if wanted in known:
            return wanted
        for part in request.headers.get("accept-language", "")[:500].split(","):
            code = part.split(";")[0].strip().split("-")[0].casefold()
            if code in known:
                return code
        return DEFAULT if DEFAULT in known else next(iter(known))

    def _words(self, code: str) -> dict[str, Any]:
        row = self._phrases.languages[code]
        days = self._settings.keep_days
        words = {name: self._phrases.text(f"page.{name}", code, count=days if name == "keeps" else None) for name in STRINGS}
        return {"strings": words, "direction": row.direction, "draft": row.status != "reviewed"}

    def _html(self, code: str) -> str:
        settings, words = self._settings, self._words(code)
        numbers = [settings.line_number, settings.crisis_line, settings.nollalinja, settings.work_safety, settings.riku, settings.emergency_number]
        payload = {"strings": words["strings"], "numbers": numbers, "languages": list(self._phrases.languages), "exit": settings.exit_url}
        safe = json.dumps(payload, ensure_ascii=True).replace("<", "\\u003c").replace("&", "\\u0026")
        return self._template.render(
            code=code, direction=words["direction"], draft=words["draft"], s=words["strings"], languages=list(self._phrases.languages.values()),
            emergency_tel=_dialable(settings.emergency_number), line_tel=_dialable(settings.line_number),
            settings_json=Markup(safe),  # noqa: S704 - JSON in ASCII with < and & escaped, made here
        )


def _dialable(number: str) -> str:
    return "".join(character for character in number if character.isdigit() or character == "+")
