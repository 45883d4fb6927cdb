"""The review page in a real browser, over a desk of the test's own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from scenekeeper.review.app import STATIC
from scenekeeper.review.events import Decision
from tests.review.made_desk import serving

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
ARGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
SMALL = {"width": 1280, "height": 800}


@dataclass(eq=False)
class Reviewer:
    """A person at the page.

    Attributes:
        page: what they see.
        desk: whom they talk to.
        home: address of the page.
        complaints: what the browser's console said is wrong,
        strangers: and requests that did not go to the page's own server.
    """

    page: Page
    desk: Any
    home: str
    complaints: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    @property
    def card(self) -> Locator:
        return self.page.locator("article.card")

    @property
    def title(self) -> str:
        return self.page.locator(".question h1").inner_text()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def decide(self, *keys: str) -> None:
        """Press a key on one card after the other."""
        for key in keys:
            expect(self.card).to_be_visible(timeout=30_000)
            self.page.keyboard.press(key)

    def skip_to(self, kind: str) -> None:
        """Show the first card of a kind; those before are passed over."""
        for _ in range(12):
            expect(self.card).to_be_visible(timeout=30_000)
            if self.page.locator(f"article.{kind}").count():
                break
            self.press("Enter" if self.page.locator("article.gallery").count() else "u")
        expect(self.page.locator(f"article.{kind}")).to_be_visible()

    def saved(self) -> list[Decision]:
        """Decisions that count, once all are saved."""
        expect(self.page.locator(".saved")).to_have_text("all saved")
        return list(self.desk.decisions.values())

    def click_frame(self, x: float, y: float, **how: Any) -> None:
        """Click a pixel of the frame that the stage shows whole."""
        box = self.stage_box()
        height, width = self.frame_size
        scale = min(box["width"] / width, box["height"] / height)
        left = box["x"] + (box["width"] - width * scale) / 2
        top = box["y"] + (box["height"] - height * scale) / 2
        self.page.mouse.click(left + x * scale, top + y * scale, **how)

    def stage_box(self) -> dict[str, float]:
        canvas = self.page.locator(".stage canvas").first
        expect(canvas).to_be_visible()
        box = canvas.bounding_box()
        assert box is not None
        return dict(box)  # type: ignore[call-overload, no-any-return]

    @property
    def frame_size(self) -> tuple[int, int]:
        return next(c.views[0].size for c in self.desk.cards.values() if c.views)


@contextmanager
def launched() -> Iterator[Browser]:
    """A headless browser; what is expected of a page may take a while on a busy machine."""
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=list(ARGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def at_the_page(
    browser: Browser, desk: Any, static: Path = STATIC, **how: Any
) -> Iterator[Reviewer]:
    """Open the page in a context of its own; ``how`` goes to it, as the size of the window."""
    with serving(desk, static=static) as link:
        context: BrowserContext = browser.new_context(**{"viewport": SMALL, **how})
        page = context.new_page()
        reviewer = Reviewer(page, desk, link.partition("?")[0])
        page.on("console", lambda m: _note(reviewer, m))
        page.on("pageerror", lambda error: reviewer.complaints.append(str(error)))
        page.on("request", lambda request: _watch(reviewer, request.url))
        page.goto(link)
        try:
            yield reviewer
        finally:
            context.close()


def _note(reviewer: Reviewer, message: Any) -> None:
    if message.type in ("error", "warning"):
        reviewer.complaints.append(message.text)


def _watch(reviewer: Reviewer, url: str) -> None:
    if not url.startswith(reviewer.home):
        reviewer.strangers.append(url)
