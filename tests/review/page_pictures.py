"""Pictures of the page for the docs, taken from a simulated workshop."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

from scenekeeper.store import Dataset, open_dataset
from tests.review.page_browser import Reviewer


def workshop(folder: Path) -> Dataset:
    """Two visits to a simulated workshop, with true labels."""
    from scenekeeper.simulate.produce import Scenario, simulate

    scenario = Scenario(visits=2, seconds=20, fps=5, size=(640, 480))
    simulate(folder / "sim", [12], "rgbd", scenario)
    return open_dataset(folder / "sim" / "truth.sk")


def take(anna: Reviewer, folder: Path) -> None:
    """Go through a card of each kind and picture it as it is being answered."""
    folder.mkdir(parents=True, exist_ok=True)
    expect(anna.card).to_be_visible(timeout=60_000)
    steps: tuple[tuple[str, str, Callable[[Reviewer], None], tuple[str, ...]], ...] = (
        ("track", "review-track", lambda _: None, ()),
        ("track", "review-keys", lambda a: a.press("?"), ("Escape",)),
        ("track", "review-search", _search, ("Escape",)),
        ("track", "review-box", _box, ("Escape",)),
        ("track", "review-mask", _mask, ("Escape", "u", "u")),
        ("track", "review-split", _split, ("Escape",)),
        ("track[aria-label='object card']", "review-object", lambda _: None, ()),
        ("pair", "review-pair", lambda _: None, ()),
        ("gallery", "review-gallery", _gallery, ()),
        ("sentence[aria-label='relation card']", "review-relation", lambda _: None, ()),
        ("sentence[aria-label='caption card']", "review-caption", _edit, ("Escape",)),
        ("frame", "review-frame", _frame, ()),
    )  # fmt: skip
    for kind, name, prepare, after in steps:
        anna.skip_to(kind)
        prepare(anna)
        shoot(anna, folder / f"{name}.png")
        anna.press(*after)
    anna.page.emulate_media(color_scheme="dark")
    anna.press("Enter")
    anna.skip_to("track")
    shoot(anna, folder / "review-dark.png")


def shoot(anna: Reviewer, file: Path) -> None:
    """A picture that is small enough for docs and large enough to read."""
    anna.page.wait_for_load_state("networkidle")
    anna.page.wait_for_timeout(400)
    image = Image.open(io.BytesIO(anna.page.screenshot())).convert("RGB")
    image = image.resize((1024, 640), Image.Resampling.LANCZOS)
    # Small patches of strong colour, such as outlines, keep theirs.
    few = image.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE)
    few.save(file, optimize=True)


def _edit(anna: Reviewer) -> None:
    anna.press("e")


def _search(anna: Reviewer) -> None:
    anna.press("/")
    anna.page.keyboard.type("dr")


def _box(anna: Reviewer) -> None:
    card = anna.desk.cards[next(iter(anna.desk.cards))]
    x0, y0, x1, y1 = card.context.box_xyxy
    anna.press("b")
    expect(anna.page.locator(".large")).to_be_visible()
    for x, y in ((x0, (y0 + y1) / 2), (x1 - 1, (y0 + y1) / 2), ((x0 + x1) / 2, y0 + 1)):
        anna.click_frame(x, y)
    anna.page.mouse.move(0, 0)


def _mask(anna: Reviewer) -> None:
    card = anna.desk.cards[next(iter(anna.desk.cards))]
    x0, y0, x1, y1 = card.context.box_xyxy
    anna.press("p")
    expect(anna.page.locator(".large")).to_be_visible()
    anna.click_frame((x0 + x1) / 2, (y0 + y1) / 2)
    expect(anna.page.locator(".hint")).to_contain_text("Enter takes it")
    anna.page.mouse.move(0, 0)


def _split(anna: Reviewer) -> None:
    cut = next(c.id.rpartition("-")[2] for c in anna.desk.cards.values() if "mixed" in c.id)
    anna.press("Home", *["ArrowRight"] * int(cut), "s")


def _gallery(anna: Reviewer) -> None:
    card = anna.desk.cards["g-1"]
    names = {
        c.subject: c.phrase
        for c in anna.desk.cards.values()
        if c.kind == "track" and "mixed" not in c.id
    }
    for k, part in enumerate(card.parts):
        if names.get(part.subject, card.phrase) != card.phrase:
            anna.page.locator(".tiles button").nth(k).click()
    anna.press("1")


def _frame(anna: Reviewer) -> None:
    subject = anna.desk.cards["f-1"].subject
    shown = {i["track"] for i in anna.desk.frame(subject.session, subject.id)["instances"]}
    rows = anna.desk.dataset.sql(
        "SELECT track, phrase, box_xyxy FROM instances WHERE session = ? AND frame_id = ?",
        [subject.session, subject.id],
    ).to_pylist()
    label = next(r for r in rows if r["track"] not in shown and r["phrase"] == "backpack")
    x0, y0, x1, y1 = label["box_xyxy"]
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    for point in ((x0, y), (x1, y), (x, y0), (x, y1)):
        anna.click_frame(*point)
    anna.page.keyboard.type(label["phrase"])
    anna.press("Enter")
    anna.page.mouse.move(0, 0)
