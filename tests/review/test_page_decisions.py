"""What a reviewer says with keys and clicks arrives as it was meant."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("playwright", reason="needs Playwright: pip install playwright")

from playwright.sync_api import expect

from scenekeeper import masks
from tests.review.page_browser import BROWSER, Reviewer

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs Chromium: apt-get install chromium"),
]


def test_space_accepts_and_the_next_card_is_shown(anna: Reviewer) -> None:
    first, second = list(anna.desk.cards.values())[:2]
    assert anna.title == first.phrase
    anna.press(" ")
    expect(anna.page.locator(".question h1")).to_have_text(second.phrase)
    [said] = anna.saved()
    assert (said.op, said.card, said.subject) == ("accept", first.id, first.subject)
    assert said.body == {"phrase": first.phrase} and said.base == first.revision
    assert said.think_ms > 0 and said.client.startswith("page ")


def test_a_digit_gives_another_name(anna: Reviewer) -> None:
    anna.press("2")
    [said] = anna.saved()
    choices = next(iter(anna.desk.cards.values())).choices
    assert (said.op, said.body["phrase"]) == ("relabel", choices[1])


def test_a_name_is_searched_by_a_few_letters_or_made_up(anna: Reviewer) -> None:
    words = anna.desk.state(None)["words"]
    wanted = next(w for w in words if w != anna.title)
    anna.press("/")
    anna.page.keyboard.type(wanted[:1] + wanted[-2:])
    expect(anna.page.get_by_role("option").first).to_be_visible()
    anna.page.get_by_role("option", name=wanted, exact=True).click()
    expect(anna.card).to_be_visible()
    anna.press("/")
    anna.page.keyboard.type("espresso  machine")
    anna.press("Enter")
    expect(anna.page.locator("dialog")).to_have_count(0)
    assert [d.body["phrase"] for d in anna.saved()] == [wanted, "espresso machine"]


def test_a_track_is_split_where_it_becomes_another_thing(anna: Reviewer) -> None:
    card = next(iter(anna.desk.cards.values()))
    anna.press("Home", "ArrowRight", "ArrowRight", "s")
    expect(anna.page.locator(".crops .later")).to_have_count(len(card.views) - 2)
    anna.press("1")
    [said] = anna.saved()
    assert said.op == "split"
    assert said.body == {"frame": card.views[2].frame_id, "phrase": card.choices[0]}


def test_a_track_is_trimmed_to_what_is_right(anna: Reviewer) -> None:
    card = next(iter(anna.desk.cards.values()))
    anna.press("End", "ArrowLeft", "t", "ArrowLeft")
    expect(anna.page.locator(".crops .outside")).to_have_count(2)
    anna.press("Enter")
    [said] = anna.saved()
    assert said.op == "trim"
    assert said.body == {
        "first": card.series[0][0],
        "last": card.views[len(card.views) - 3].frame_id,
    }


def test_a_box_is_drawn_by_its_extremes_in_pixels_of_the_frame(anna: Reviewer) -> None:
    anna.press("b")
    expect(anna.page.locator(".large")).to_be_visible()
    for x, y in ((60, 20), (30, 50), (60, 110), (170, 50)):
        anna.click_frame(x, y)
    expect(anna.page.locator(".hint")).to_have_text("Enter takes this box.")
    anna.press("Enter")
    [said] = anna.saved()
    assert said.op == "box"
    np.testing.assert_allclose(said.body["box_xyxy"], [30, 20, 170, 110], atol=0.5)


def test_a_box_is_drawn_without_a_mouse_and_a_click_taken_back(anna: Reviewer) -> None:
    anna.press("b")
    expect(anna.page.locator(".stage canvas")).to_be_focused()
    anna.press("Shift+ArrowUp", " ", "Shift+ArrowDown", "Shift+ArrowLeft", " ")
    anna.press(*["Shift+ArrowDown"] * 3, " ", "Backspace", " ", *["Shift+ArrowRight"] * 4, " ")
    anna.press("Enter")
    [said] = anna.saved()
    x0, y0, x1, y1 = said.body["box_xyxy"]
    assert said.op == "box" and x1 - x0 > 5 and y1 - y0 > 5
    np.testing.assert_allclose((x1 - x0) / (y1 - y0), 80 / 80, atol=0.02)


def test_a_mask_is_made_by_clicks(anna: Reviewer) -> None:
    card = next(iter(anna.desk.cards.values()))
    view = card.context
    assert view is not None and view.counts is not None
    mask = masks.decode(view.counts.encode(), view.size)
    y, x = np.argwhere(mask)[mask.sum() // 2]
    anna.press("p")
    expect(anna.page.locator(".large")).to_be_visible()
    anna.click_frame(x + 0.5, y + 0.5)
    expect(anna.page.locator(".hint")).to_contain_text("Enter takes it")
    anna.press("Enter")
    [said] = anna.saved()
    assert (said.op, said.body["frame"]) == ("mask", view.frame_id)
    assert said.body["counts"] == view.counts and len(said.body["clicks"]) == 1


def test_without_a_segmenter_the_page_says_how_to_get_one(anna: Reviewer) -> None:
    anna.desk.segmenter = False
    anna.press("p")
    anna.click_frame(50, 50)
    expect(anna.page.get_by_text("--segmenter NAME")).to_be_visible()
    assert any("501" in c for c in anna.complaints)
    anna.complaints.clear()


def test_an_object_and_a_pair(anna: Reviewer) -> None:
    anna.skip_to("track[aria-label='object card']")
    anna.press("x")
    anna.skip_to("pair")
    anna.press("d")
    reject, pair = anna.saved()[-2:]
    assert (reject.op, reject.subject.kind) == ("reject", "object")
    assert (pair.op, pair.subject.kind) == ("different", "pair")


def test_a_gallery_takes_the_rest_as_right(anna: Reviewer) -> None:
    anna.skip_to("gallery")
    card = anna.desk.cards["g-1"]
    anna.page.locator(".tiles button").nth(1).click()
    anna.press("ArrowRight", "2")
    anna.press("ArrowDown", "g", "Enter")
    expect(anna.page.locator(".hint")).to_contain_text("What is the marked one?")
    anna.press("x")
    expect(anna.page.locator(".hint")).to_have_count(1)
    anna.press("/")
    anna.page.keyboard.type("sieve")
    anna.press("Enter")
    said = [d for d in anna.saved() if d.card == "g-1"]
    assert [d.subject for d in said] == [p.subject for p in card.parts]
    assert (said[1].op, said[2].op, said[2].body["phrase"]) == (
        "reject",
        "relabel",
        card.choices[1],
    )
    others = [d for d in said if d.op not in ("reject", "relabel")]
    assert {d.op for d in others} == {"accept"} and len(others) == len(card.parts) - 3
    anna.press("z")
    expect(anna.page.locator("article.gallery")).to_be_visible()
    anna.saved()
    assert not any(d.card == "g-1" and d.op != "undo" for d in anna.desk.decisions.values())


def test_a_relation_and_a_caption(anna: Reviewer) -> None:
    anna.skip_to("sentence[aria-label='relation card']")
    anna.press("x")
    anna.skip_to("sentence[aria-label='caption card']")
    anna.press("e")
    anna.page.keyboard.type(" It is evening.")
    anna.press("Enter")
    relation, caption = anna.saved()[-2:]
    assert (relation.op, relation.subject.kind) == ("reject", "relation")
    assert caption.op == "caption"
    assert caption.body["text"] == f"{anna.desk.cards['c-1'].statement} It is evening."


def test_missing_things_of_a_frame_are_marked_and_named(anna: Reviewer) -> None:
    anna.skip_to("frame")
    for x, y in ((60, 20), (30, 50), (60, 110), (170, 50)):
        anna.click_frame(x, y)
    anna.page.keyboard.type("ladle")
    anna.press("Enter")
    expect(anna.page.locator(".marked li")).to_have_text(["ladle"])
    for x, y in ((10, 10), (20, 20), (10, 20), (20, 10)):
        anna.click_frame(x, y)
    anna.page.keyboard.type("fork")
    anna.press("Enter", "Backspace")  # a mistake, taken back
    expect(anna.page.locator(".marked li")).to_have_text(["ladle"])
    anna.press("Enter")
    add, complete = anna.saved()[-2:]
    assert (add.op, add.body["phrase"], complete.op) == ("add", "ladle", "complete")
    np.testing.assert_allclose(add.body["box_xyxy"], [30, 20, 170, 110], atol=0.5)
    assert complete.body == {"missed": 1} and add.card == complete.card == "f-1"


def test_z_takes_back_the_last_and_the_list_any(anna: Reviewer) -> None:
    first = anna.title
    anna.decide(" ", "x")
    expect(anna.card).to_be_visible()
    kept = anna.saved()
    anna.press("z")
    expect(anna.page.locator(".question h1")).to_have_text(list(anna.desk.cards.values())[1].phrase)
    anna.press("h")
    anna.page.get_by_role("button", name=f"Undo: {first} ✓").click()
    expect(anna.page.locator(".question h1")).to_have_text(first)
    undone = [d.body["of"] for d in anna.saved() if d.op == "undo"]
    assert undone == [kept[1].id, kept[0].id]


def test_a_click_leaves_no_focus_that_space_would_press(anna: Reviewer) -> None:
    anna.page.locator(".crops button").nth(2).click()
    anna.press(" ")
    assert [d.op for d in anna.saved()] == ["accept"]


def test_a_held_key_decides_once(anna: Reviewer) -> None:
    anna.page.keyboard.down(" ")
    anna.page.keyboard.down(" ")
    anna.page.keyboard.down(" ")
    anna.page.keyboard.up(" ")
    assert len(anna.saved()) == 1


def test_keys_mean_nothing_while_one_types(anna: Reviewer) -> None:
    anna.press("/")
    anna.page.keyboard.type("xzu j")
    anna.press("Escape")
    expect(anna.page.locator("dialog")).to_have_count(0)
    assert anna.saved() == []
