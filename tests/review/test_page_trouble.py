"""Whatever goes wrong, the page says what to do and no decision is lost."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="needs Playwright: pip install playwright")

from playwright.sync_api import Browser, expect

from scenekeeper.review.app import STATIC, page_version
from scenekeeper.store import Dataset
from tests.review.page_browser import BROWSER, Reviewer, at_the_page
from tests.review.page_desk import PageDesk
from tests.review.true_room import true_room

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs Chromium: apt-get install chromium"),
]


@pytest.fixture
def anna(browser: Browser, room: Dataset) -> Iterator[Reviewer]:
    with at_the_page(browser, PageDesk(room)) as reviewer:
        expect(reviewer.card).to_be_visible()
        yield reviewer
    assert reviewer.strangers == []


def test_without_a_connection_one_goes_on_and_all_is_sent_later(anna: Reviewer) -> None:
    anna.page.wait_for_load_state("networkidle")  # the next cards are here
    anna.page.context.set_offline(True)
    anna.decide(" ", "x", "1")
    expect(anna.page.locator(".saved")).to_have_text("3 kept here")
    expect(anna.page.locator(".notices")).to_contain_text("kept in this browser")
    assert anna.desk.decisions == {}
    anna.page.context.set_offline(False)
    assert [d.op for d in anna.saved()] == ["accept", "reject", "relabel"]
    expect(anna.page.locator(".notice")).to_have_count(0)


def test_decisions_outlive_the_page(anna: Reviewer) -> None:
    anna.desk.broken = True
    anna.decide(" ", "x")
    expect(anna.page.locator(".saved")).to_have_text("2 kept here")
    expect(anna.page.locator(".notices")).to_contain_text("the disk is full")
    expect(anna.page.locator(".notices")).to_contain_text("Free some space")
    anna.page.reload()
    expect(anna.page.locator(".saved")).to_have_text("2 kept here")
    anna.desk.broken = False
    assert [d.op for d in anna.saved()] == ["accept", "reject"]


def test_a_conflict_is_told_and_the_card_shown_again(anna: Reviewer) -> None:
    anna.desk.answers["accept"] = ("conflict", "Bea called it a bowl meanwhile.")
    first = anna.title
    anna.press(" ")
    notice = anna.page.locator(".notice")
    expect(notice).to_contain_text("Bea called it a bowl")
    expect(notice).to_contain_text("Nothing is lost")
    anna.desk.answers.clear()
    notice.get_by_role("button", name="Look again").click()
    expect(anna.page.locator(".question h1")).to_have_text(first)
    expect(notice).to_have_count(0)


def test_what_is_refused_is_told_with_its_reason(anna: Reviewer) -> None:
    anna.desk.answers["reject"] = ("refused", "the event was forged")
    anna.decide("x", " ")
    expect(anna.page.locator(".notice")).to_contain_text("the event was forged")
    assert [d.op for d in anna.saved()] == ["accept"]


def test_another_version_of_the_page_is_loaded_before_anything_is_sent(
    browser: Browser, room: Dataset, tmp_path: Path
) -> None:
    old = tmp_path / "static"
    shutil.copytree(STATIC, old)
    desk = PageDesk(room)
    with at_the_page(browser, desk, static=old) as anna:
        expect(anna.card).to_be_visible()
        desk.broken = True
        anna.press(" ")
        expect(anna.page.locator(".saved")).to_have_text("1 kept here")
        script = old / "app.js"
        script.write_text(script.read_text(encoding="utf-8") + "\n", encoding="utf-8")
        anna.page.evaluate("dispatchEvent(new Event('focus'))")
        blocked = anna.page.get_by_role("alertdialog")
        expect(blocked).to_contain_text("another version")
        expect(blocked).to_contain_text("kept")
        desk.broken = False
        anna.press(" ", "x")
        anna.page.wait_for_timeout(1500)  # in which it would be tried again
        assert desk.decisions == {}
        page = old / "index.html"
        fresh = page_version(old)
        text = re.sub(r'(\?v=|content=")[0-9a-f]{12}', rf"\g<1>{fresh}", page.read_text())
        page.write_text(text, encoding="utf-8")
        blocked.get_by_role("button", name="load anew").click()
        expect(anna.card).to_be_visible()
        assert [d.op for d in anna.saved()] == ["accept"]


def test_a_recording_that_is_gone_leaves_cards_that_say_so(
    browser: Browser, tmp_path: Path
) -> None:
    room = true_room(tmp_path, frames=4)
    source = Path(room.session("room").source)
    source.rename(tmp_path / "moved")
    with at_the_page(browser, PageDesk(room)) as anna:
        expect(anna.page.locator(".unreadable")).to_contain_text("No pictures")
        expect(anna.page.locator(".unreadable")).to_contain_text("U")
        anna.press("u")
        assert [d.op for d in anna.saved()] == ["unsure"]


def test_when_nothing_is_left_the_page_says_what_comes_next(
    browser: Browser, room: Dataset
) -> None:
    desk = PageDesk(room, list(PageDesk(room).cards.values())[:2])
    with at_the_page(browser, desk) as anna:
        expect(anna.card).to_be_visible()
        anna.press(" ")
        expect(anna.card).to_be_visible()
        anna.press(" ")
        expect(anna.page.locator("main")).to_contain_text("Nothing is left to decide")
        expect(anna.page.locator("main code")).to_contain_text("scenekeeper certify room.sk")
        anna.press("z")
        expect(anna.card).to_be_visible()


def test_cards_that_are_not_decided_are_handed_back(browser: Browser, room: Dataset) -> None:
    desk = PageDesk(room)
    with at_the_page(browser, desk) as anna:
        expect(anna.card).to_be_visible()
        assert len(desk.holders) >= 8
        anna.page.goto("about:blank")
        anna.page.wait_for_timeout(500)
        assert desk.holders == {}


def test_a_name_can_be_given_and_goes_with_decisions(anna: Reviewer) -> None:
    anna.page.get_by_role("button", name="Reviewer: tester").click()
    anna.page.get_by_label("Your name").fill("Anna Ünsal")
    anna.press("Enter")
    expect(anna.page.get_by_role("button", name="Reviewer: Anna Ünsal")).to_be_visible()
    anna.press(" ")
    [said] = anna.saved()
    assert anna.desk.actors[said.id] == "Anna Ünsal"


def test_single_keys_can_be_switched_off(anna: Reviewer) -> None:
    anna.press("?")
    anna.page.get_by_role("checkbox").uncheck()
    anna.press("Escape", "x", "1", " ")
    expect(anna.page.locator("dialog")).to_have_count(0)
    assert anna.saved() == []
    anna.page.get_by_role("button", name="no such thing").click()
    assert [d.op for d in anna.saved()] == ["reject"]


def test_a_name_of_a_thing_is_only_text(browser: Browser, room: Dataset) -> None:
    from dataclasses import replace

    hostile = "<img src=x onerror=alert(1)>\"'&"
    first = next(iter(PageDesk(room).cards.values()))
    with at_the_page(browser, PageDesk(room, [replace(first, phrase=hostile)])) as anna:
        expect(anna.page.locator(".question h1")).to_have_text(hostile)
        assert anna.page.locator("img").count() == 0
    assert anna.complaints == []
