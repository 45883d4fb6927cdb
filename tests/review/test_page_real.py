"""The page over the real desk: what is pressed ends in the log and in the labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="needs Playwright: pip install playwright")

from playwright.sync_api import Browser, expect

from scenekeeper.review.desk import Desk
from scenekeeper.review.log import Log
from scenekeeper.store import Dataset, open_dataset
from tests.review.page_browser import BROWSER, at_the_page, launched
from tests.review.true_room import true_room

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs Chromium: apt-get install chromium"),
]

KEYS = {"pair": "d", "frame": "Enter", "gallery": "Enter"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as opened:
        yield opened


def answered(browser: Browser, room: Dataset, cards: int, undone: bool) -> list[str]:
    """Kinds of the cards that were answered, one key each; the last is undone if wanted."""
    desk = Desk(room)
    kinds = []
    try:
        with at_the_page(browser, desk) as anna:
            for _ in range(cards):
                expect(anna.card).to_be_visible(timeout=60_000)
                kinds.append(str(anna.card.get_attribute("aria-label")).partition(" ")[0])
                anna.press(KEYS.get(kinds[-1], " "))
            if undone:
                anna.press("z")
            expect(anna.page.locator(".saved")).to_have_text("all saved", timeout=30_000)
            assert anna.complaints == [] and anna.strangers == []
    finally:
        desk.close()
    return kinds


def test_every_answer_is_an_event_and_changes_labels(browser: Browser, tmp_path: Path) -> None:
    room = true_room(tmp_path)
    kinds = answered(browser, room, 12, undone=False)
    with_card = {e.decision.card for e in Log.open(room.path).events()}
    assert len(with_card) == 12 == len(kinds)
    assert "track" in kinds
    status = open_dataset(room.path).table("instances")["status"].to_pylist()
    assert {"verified", "propagated"} & set(status)


def test_what_is_undone_counts_no_more(browser: Browser, tmp_path: Path) -> None:
    room = true_room(tmp_path)
    kinds = answered(browser, room, 1, undone=True)
    *said, undo = [e.decision for e in Log.open(room.path).events()]
    assert len(kinds) == 1 and undo.op == "undo" and undo.body["of"] == said[0].id
    status = open_dataset(room.path).table("instances")["status"].to_pylist()
    assert set(status) == {"auto"}
