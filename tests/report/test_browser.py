"""In a real browser the page draws itself, scrubs, selects, and complains about nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from scenekeeper import label
from scenekeeper.report import write_report
from scenekeeper.simulate import write_tabletop
from scenekeeper.store import Dataset, open_dataset
from tests.report.chromium import BROWSER, Page, browsing

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs Chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("browser")
    label([write_tabletop(folder / "room", 24)], folder / "room.sk")
    with browsing(folder / "profile") as opened:
        opened.open(write_report(open_dataset(folder / "room.sk")))
        yield opened
        assert opened.errors == []


def changed(page: Page, element: str, before: np.ndarray) -> float:  # type: ignore[type-arg]
    """Share of an element's pixels that are other than before, once any are or after 5 seconds."""
    share = 0.0
    for _ in range(50):
        share = float((page.picture(element) != before).any(-1).mean())
        if share > 0.02:
            break
        page.run("new Promise(done => setTimeout(done, 100))")
    return share


def colours(picture: np.ndarray) -> int:  # type: ignore[type-arg]
    return len(np.unique(picture.reshape(-1, 3) // 16, axis=0))


def test_it_draws_the_picture_the_scene_and_the_objects(page: Page) -> None:
    assert page.run("document.querySelector('#title').textContent") == "room.sk"
    assert colours(page.picture("#picture")) > 50
    assert colours(page.picture("#scene")) > 30
    assert page.run("document.querySelectorAll('#cards button, #cards [role=button]').length") > 4


def test_scrubbing_shows_another_frame(page: Page) -> None:
    before, clock = page.picture("#picture"), page.run("document.querySelector('#clock').value")
    page.run(
        "(s => { s.value = s.max; s.dispatchEvent(new Event('input')); })"
        "(document.querySelector('#slider'))"
    )
    assert page.run("document.querySelector('#clock').value") != clock
    assert changed(page, "#picture", before) > 0.1


def test_masks_can_be_hidden(page: Page) -> None:
    shown = page.picture("#picture")
    page.run("document.querySelector('#show-masks').click()")
    share = changed(page, "#picture", shown)
    page.run("document.querySelector('#show-masks').click()")
    assert share > 0.02


def test_selecting_an_object_follows_it(page: Page) -> None:
    before = page.picture("#scene")
    page.run("document.querySelector('#cards button, #cards [role=button]').click()")
    assert changed(page, "#scene", before) > 0.001
    assert "o" in page.run("document.querySelector('.inspector').textContent")


def test_a_key_steps_to_the_next_frame(page: Page) -> None:
    clock = "document.querySelector('#clock').value"
    page.run("document.querySelector('#slider').value = 0")
    before = page.run(clock)
    page.run("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowLeft'}))")
    assert page.run(clock) != before


def test_dark_and_light_follow_the_system(page: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    seen = set()
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        page.ask("Emulation.setEmulatedMedia", features=features)
        seen.add(page.run(ground))
    assert len(seen) == 2


def test_nothing_sticks_out_sideways(page: Page) -> None:
    for width in (1280, 800, 390):
        page.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=1,
            mobile=False,
        )
        page.run("new Promise(done => setTimeout(done, 200))")
        assert page.run("document.documentElement.scrollWidth") <= width


def test_an_empty_dataset_says_what_to_do(tmp_path: Path) -> None:
    with browsing(tmp_path / "profile") as opened:
        opened.open(write_report(Dataset.create(tmp_path / "new.sk")))
        assert "scenekeeper label RECORDING" in opened.run("document.body.innerText")
        assert opened.errors == []
