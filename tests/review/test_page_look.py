"""How the page looks: pictures, outlines, sizes, colours, accessibility."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("playwright", reason="needs Playwright: pip install playwright")

from PIL import Image
from playwright.sync_api import Browser, Locator, expect

from scenekeeper.store import Dataset
from tests.review.page_browser import BROWSER, Reviewer, at_the_page
from tests.review.page_desk import PageDesk
from tests.review.test_page_build import WEB

AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
KINDS = ("track", "pair", "gallery", "sentence", "frame")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs Chromium: apt-get install chromium"),
]


def pixels(element: Locator) -> np.ndarray:  # type: ignore[type-arg]
    return np.asarray(Image.open(io.BytesIO(element.screenshot())).convert("RGB")).astype(int)


def test_a_crop_shows_its_window_of_the_recording(anna: Reviewer) -> None:
    card = next(iter(anna.desk.cards.values()))
    anna.press("o")
    for k in (0, len(card.views) - 1):
        view = card.views[k]
        x0, y0, x1, y1 = view.window_xyxy
        seen = pixels(anna.page.locator(".crops canvas").nth(k))
        true = anna.desk.media.rgb(view.session, view.frame_id)[y0:y1, x0:x1]
        size = seen.shape[1], seen.shape[0]
        wanted = np.asarray(Image.fromarray(true).resize(size, Image.Resampling.BICUBIC))
        inner = (slice(8, -30), slice(8, -8))  # not the round corners and the time
        assert np.abs(seen[inner] - wanted[inner]).mean() < 6


def test_outlines_are_drawn_where_the_mask_ends_and_can_be_hidden(anna: Reviewer) -> None:
    canvas = anna.page.locator(".crops canvas").first
    drawn = pixels(canvas)
    anna.press("o")
    plain = pixels(canvas)
    changed = np.abs(drawn - plain).max(-1) > 60
    assert 0.005 < changed.mean() < 0.3
    yellow = (drawn - [255, 210, 62])[changed]
    assert (np.abs(yellow).max(-1) < 40).any()


def test_arrows_move_over_the_crops_and_the_stage_follows(anna: Reviewer) -> None:
    stage = anna.page.locator(".stage canvas")
    anna.press("Home")
    expect(anna.page.locator(".crops button").first).to_have_attribute("aria-current", "true")
    anna.page.wait_for_timeout(300)
    before = pixels(stage)
    anna.press("Shift+ArrowRight")
    expect(anna.page.locator(".crops button").last).to_have_attribute("aria-current", "true")
    anna.page.wait_for_timeout(300)
    assert (np.abs(pixels(stage) - before).max(-1) > 20).mean() > 0.02


def test_the_stage_zooms_and_shows_all_again(anna: Reviewer) -> None:
    stage = anna.page.locator(".stage canvas")
    whole = pixels(stage)
    anna.press("+", "+")
    assert (np.abs(pixels(stage) - whole).max(-1) > 20).mean() > 0.1
    anna.press("0")
    assert (np.abs(pixels(stage) - whole).max(-1) > 20).mean() < 0.01


def test_frames_between_the_crops_can_be_looked_at(anna: Reviewer) -> None:
    anna.press("Home")
    expect(anna.page.locator(".crops [aria-current=true]")).to_have_count(1)
    with anna.page.expect_response("**/api/frame/**") as answer:
        anna.press(".")
    assert answer.value.ok
    expect(anna.page.locator(".crops [aria-current=true]")).to_have_count(0)


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080), (2560, 1300)])
def test_every_card_fits_the_window(browser: Browser, room: Dataset, size: tuple[int, int]) -> None:
    viewport = {"width": size[0], "height": size[1]}
    with at_the_page(browser, PageDesk(room), viewport=viewport) as anna:
        for kind in KINDS:
            anna.skip_to(kind)
            beyond = anna.page.evaluate(
                """[...document.querySelectorAll('button, canvas, h1, p')].filter((e) => {
                  const b = e.getBoundingClientRect();
                  return b.right > innerWidth + 1 || b.bottom > innerHeight + 1 || b.left < -1;
                }).map((e) => e.outerHTML.slice(0, 80))"""
            )
            assert beyond == [], kind
            canvas = anna.page.locator(".card canvas").first.bounding_box()
            assert canvas is not None and canvas["width"] > 60 and canvas["height"] > 60


@pytest.mark.skipif(not AXE.is_file(), reason="needs axe-core: cd web && npm ci")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(browser: Browser, room: Dataset, scheme: Any) -> None:
    with at_the_page(browser, PageDesk(room), color_scheme=scheme) as anna:
        expect(anna.card).to_be_visible()
        for keys in (("?", "Escape"), ("/", "Escape"), ("h", "Escape"), ("b", "Escape"), ("t",)):
            anna.press(keys[0])
            check(anna, f"{scheme} {keys[0]}")
            anna.press(*keys[1:])
        anna.press("Escape")
        for kind in KINDS:
            anna.skip_to(kind)
            check(anna, f"{scheme} {kind}")


def check(anna: Reviewer, where: str) -> None:
    anna.page.evaluate(AXE.read_text(encoding="utf-8"))
    found = anna.page.evaluate("axe.run()")
    told = [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in found["violations"]]
    assert told == [], where
    assert len(found["passes"]) > 15


def test_dark_and_light_by_preference_and_by_choice(browser: Browser, room: Dataset) -> None:
    def ground(anna: Reviewer) -> int:
        return int(pixels(anna.page.locator("main"))[4, 4].mean())

    with at_the_page(browser, PageDesk(room), color_scheme="dark") as anna:
        expect(anna.card).to_be_visible()
        assert ground(anna) < 60
        anna.page.get_by_role("button", name="Colours: auto").click()
        assert ground(anna) > 200
        anna.page.reload()
        expect(anna.card).to_be_visible()
        assert ground(anna) > 200  # it is kept


def test_what_the_labels_are_worth_is_always_seen(anna: Reviewer) -> None:
    header = anna.page.locator("header.top")
    expect(header).to_contain_text("at 90 % confidence")
    expect(header).to_contain_text("missed")
    anna.press(" ")
    anna.saved()
    expect(header.locator(".progress")).to_contain_text("1 decided")


def test_no_probability_and_no_stream_is_told(anna: Reviewer) -> None:
    told = anna.page.evaluate("fetch('/api/state').then((r) => r.text())")
    text = anna.page.locator("main").inner_text() + anna.page.locator("main").inner_html()
    for word in ("0.9", "repair", "audit", "gold", "risk", "probab"):
        assert word not in text
    assert "stream" not in told


PICTURES = os.environ.get("SCENEKEEPER_SCREENSHOTS")


@pytest.mark.skipif(not PICTURES, reason="SCENEKEEPER_SCREENSHOTS=FOLDER takes pictures for docs")
def test_pictures_for_the_docs(browser: Browser, tmp_path: Path) -> None:
    """With SCENEKEEPER_SCREENSHOTS_OF=DATASET of that instead of a rendered workshop."""
    from scenekeeper import open_dataset
    from tests.review.page_pictures import take, workshop

    given = os.environ.get("SCENEKEEPER_SCREENSHOTS_OF")
    dataset = open_dataset(given) if given else workshop(tmp_path)
    with at_the_page(browser, PageDesk(dataset)) as anna:
        take(anna, Path(str(PICTURES)))
