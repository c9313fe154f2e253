"""The chat page as people use it, in Chromium, with the real engine behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import SEEN

pytestmark = [pytest.mark.browser, pytest.mark.trained]
PHONE = {"width": 360, "height": 640}
ANSWER_SECONDS = 20_000.0


@pytest.fixture
def page(chromium: Browser, helpline: str) -> Iterator[Page]:
    context = chromium.new_context(viewport=PHONE, locale="en-GB")  # type: ignore[arg-type]
    found = context.new_page()
    found.goto(helpline)
    yield found
    context.close()


def says(page: Page, text: str) -> None:
    page.locator("#box").fill(text)
    page.locator("#box").press("Enter")


def answers(page: Page) -> Any:
    return page.locator("#log .message:not(.own) .text")


def test_a_person_without_papers_is_answered_in_the_page(page: Page) -> None:
    says(page, "I have no papers, will you help me or send me away?")
    expect(answers(page).last).to_contain_text("even if you are in Finland without papers", timeout=ANSWER_SECONDS)
    assert page.locator("#log a[href='tel:112']").count() >= 1


def test_a_person_in_danger_sees_112_first_and_can_tap_it(page: Page) -> None:
    says(page, "help he is beating me now he has a knife")
    expect(answers(page).first).to_have_text(re.compile(r"^112"), timeout=ANSWER_SECONDS)
    assert answers(page).first.locator("a").first.get_attribute("href") == "tel:112"


def test_a_choice_is_pressed_and_answered(page: Page) -> None:
    says(page, "hello")
    page.locator(".choices button", has_text="What help is there?").click(timeout=ANSWER_SECONDS)
    expect(answers(page).last).to_contain_text("health care", timeout=ANSWER_SECONDS)


def test_the_language_is_chosen_by_its_own_name_and_arabic_runs_from_right_to_left(page: Page) -> None:
    page.locator("#language").select_option("ar")
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    says(page, "ليس عندي أوراق، هل تساعدونني؟")
    expect(answers(page).last).to_have_attribute("dir", "rtl", timeout=ANSWER_SECONDS)


def test_a_message_written_without_connection_is_sent_once_when_it_is_back(page: Page) -> None:
    page.context.set_offline(True)
    says(page, "what does the help cost")
    expect(page.locator("#state")).to_contain_text("No connection", timeout=ANSWER_SECONDS)
    page.context.set_offline(False)
    expect(answers(page).last).to_contain_text("costs nothing", timeout=40_000)
    page.wait_for_timeout(1500)
    assert page.locator("#log .message:not(.own)", has_text="costs nothing").count() == 1


def test_escape_twice_replaces_the_page_and_leaves_nothing_of_the_talk(page: Page, helpline: str) -> None:
    left: list[str] = []
    page.route("https://**", lambda route: (left.append(route.request.url), route.fulfill(body="weather", content_type="text/html"))[-1])
    says(page, "hello")
    expect(answers(page).last).to_be_visible(timeout=ANSWER_SECONDS)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.wait_for_url("https://**", timeout=10_000)
    expect(page.locator("body")).to_have_text("weather")
    assert left
    assert not page.url.startswith(helpline)
    assert page.locator("#log").count() == 0


def test_a_reload_shows_nothing_of_what_was_said(page: Page) -> None:
    says(page, "my boss has taken my passport")
    expect(answers(page).last).to_be_visible(timeout=ANSWER_SECONDS)
    page.reload()
    page.wait_for_timeout(1000)
    assert page.locator("#log .message").count() == 0
    stored = page.evaluate("JSON.stringify([Object.entries(sessionStorage), Object.entries(localStorage), document.cookie])")
    assert "passport" not in stored


def test_what_a_person_writes_is_shown_as_text_and_never_run(page: Page) -> None:
    says(page, "<img src=x onerror=\"document.title='run'\"> {{7*7}}")
    expect(answers(page).last).to_be_visible(timeout=ANSWER_SECONDS)
    assert page.locator("#log img").count() == 0
    assert page.title() != "run"


@pytest.mark.parametrize("code", ["fi", "sv", "en", "ru", "ar", "so", "fa", "th"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_has_no_barrier_that_axe_finds(chromium: Browser, helpline: str, code: str, scheme: Any) -> None:
    context = chromium.new_context(viewport=PHONE, color_scheme=scheme)  # type: ignore[arg-type]
    try:
        page = context.new_page()
        page.goto(f"{helpline}/?lang={code}")
        if scheme == "light":
            says(page, "112")
            expect(answers(page).first).to_be_visible(timeout=ANSWER_SECONDS)
        page.locator("summary").click()
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    finally:
        context.close()


def test_the_page_is_small_asks_nobody_else_and_forbids_inline_scripts(chromium: Browser, helpline: str) -> None:
    context = chromium.new_context()
    try:
        page = context.new_page()
        sizes: dict[str, int] = {}
        page.on("response", lambda answer: sizes.update({answer.url: len(answer.body())}) if answer.request.method == "GET" else None)
        page.goto(helpline, wait_until="load")
        page.wait_for_timeout(500)
        assert all(url.startswith(helpline) for url in sizes)
        assert sum(sizes.values()) < 100_000
        assert context.cookies() == []
    finally:
        context.close()
    policy = httpx.get(helpline).headers["content-security-policy"]
    assert "unsafe-inline" not in policy
    assert "default-src 'none'" in policy or "default-src 'self'" in policy


@pytest.mark.parametrize(("code", "text"), [("fi", "Minulla ei ole papereita, autatteko silti?"), ("ar", "ليس عندي أوراق، هل تساعدونني؟"), ("th", "ฉันไม่มีเอกสาร คุณจะช่วยฉันไหม")])
@pytest.mark.parametrize(("size", "width", "height"), [("phone", 360, 640), ("desktop", 1280, 800)])
def test_the_page_answers_and_is_looked_at(chromium: Browser, helpline: str, code: str, text: str, size: str, width: int, height: int) -> None:
    context = chromium.new_context(viewport={"width": width, "height": height})
    try:
        page = context.new_page()
        page.goto(f"{helpline}/?lang={code}")
        says(page, text)
        expect(answers(page).last).to_have_attribute("lang", code, timeout=ANSWER_SECONDS)
        page.wait_for_timeout(300)
        SEEN.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SEEN / f"{code}-{size}.png")
    finally:
        context.close()
