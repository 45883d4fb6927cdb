"""A room, a browser and a reviewer at the page, for the tests that need one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from scenekeeper.store import Dataset
from tests.review.true_room import true_room


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return true_room(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from tests.review.page_browser import launched

    with launched() as opened:
        yield opened


@pytest.fixture
def anna(browser: Any, room: Dataset) -> Iterator[Any]:
    """A reviewer who sees a card; the page complains of nothing and asks nobody else."""
    from playwright.sync_api import expect

    from tests.review.page_browser import at_the_page
    from tests.review.page_desk import PageDesk

    with at_the_page(browser, PageDesk(room)) as reviewer:
        expect(reviewer.card).to_be_visible()
        yield reviewer
    assert reviewer.complaints == [] and reviewer.strangers == []
