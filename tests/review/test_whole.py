"""The page in a browser over the real desk: from the first card to the labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright")
from playwright.sync_api import Browser, expect

from scenekeeper.review.access import Visitor
from scenekeeper.review.desk import Desk
from scenekeeper.review.log import Log
from scenekeeper.store import Dataset
from tests.review import page_browser, tiny

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(page_browser.BROWSER is None, reason="Chromium is not here"),
]
PATIENCE_MS = 60_000
KEYS = {"frame": "Enter", "gallery": "Enter", "pair": "d"}
"""What says that a card is right as it is; Space does of all others."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with page_browser.launched() as browser:
        yield browser


def test_cards_are_answered_by_keys_and_become_labels(browser: Browser, tmp_path: Path) -> None:
    dataset = tiny.labelled(tmp_path, "walk", "run")
    for session in dataset.sessions():
        tiny.label(dataset, session, "first", 9)
    desk = Desk(dataset)
    expect.set_options(timeout=PATIENCE_MS)
    with page_browser.at_the_page(browser, desk) as reviewer:
        reviewer.page.set_default_timeout(PATIENCE_MS)
        for done in range(1, 13):
            expect(reviewer.card).to_be_visible()
            kind = (reviewer.card.get_attribute("class") or "").split()[-1]
            reviewer.press(KEYS.get(kind, "Space"))
            expect(reviewer.page.locator(".saved")).to_have_text("all saved")
            while desk.state(Visitor("another", "tester"))["decided"] < done:
                reviewer.page.wait_for_timeout(20)
        assert not reviewer.complaints and not reviewer.strangers
    desk.close()
    with Log.open(dataset.path) as log:
        kept = [event.decision for event in log.events()]
        log.verify()
    assert len({d.card for d in kept}) == 12 and {d.actor for d in kept} == {"tester"}
    assert all(d.think_ms > 0 and d.client for d in kept)
    assert all(d.sample.snapshot for d in kept)
    rows = Dataset.open(dataset.path).sql("SELECT DISTINCT status FROM instances")
    assert "verified" in rows["status"].to_pylist()
