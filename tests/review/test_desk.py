"""A running review: cards dealt once, decisions kept, labels and proof brought up to date."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scenekeeper import masks
from scenekeeper.errors import DatasetError, ReviewError
from scenekeeper.review import desk as desks
from scenekeeper.review import draws
from scenekeeper.review.access import Visitor
from scenekeeper.review.asked import AbsentError, UnavailableError
from scenekeeper.review.certify import Certificate
from scenekeeper.review.desk import Desk
from scenekeeper.review.log import Log
from scenekeeper.schema import Frame
from scenekeeper.store import Dataset
from tests.review import tiny

ANN, BOB = Visitor("browser-of-ann", "ann"), Visitor("browser-of-bob", "bob")
_numbers = itertools.count()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos of nine tracks each, never reviewed."""
    path = tmp_path_factory.mktemp("desk")
    dataset = tiny.labelled(path, "walk", "run")
    for session in dataset.sessions():
        tiny.label(dataset, session, "first", 9)
    return path


@pytest.fixture
def dataset(made: Path, tmp_path: Path) -> Dataset:
    """A copy of the dataset; its videos are shared."""
    return Dataset.open(Path(shutil.copytree(made / "tiny.sk", tmp_path / "tiny.sk")))


@pytest.fixture
def desk(dataset: Dataset) -> Iterator[Desk]:
    made = Desk(dataset)
    yield made
    made.close()


def decision(card: Any, op: str = "accept", subject: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "id": f"decision-{next(_numbers)}",
        "op": op,
        "subject": subject or card["subject"],
        "card": card["id"],
        "base": card["revision"],
        "think_ms": 1000,
        **more,
    }


def answers(card: Any) -> list[dict[str, Any]]:
    """Whatever it asks, it is right as it is."""
    if card["kind"] == "frame":
        return [decision(card, "complete", body={"missed": 0})]
    if card["kind"] == "gallery":
        return [decision(card, "accept", part["subject"]) for part in card["parts"]]
    return [decision(card, "same" if card["kind"] == "pair" else "accept")]


def next_card(desk: Desk, visitor: Visitor, kind: str = "track") -> Any:
    """The first card of a kind that is asked."""
    while cards := desk.deal(visitor, 1, None)[0]:
        if cards[0]["kind"] == kind:
            return cards[0]
    raise AssertionError(f"there is no {kind} card")


def settled(desk: Desk) -> None:
    """Wait for what is done in the background."""
    desk._thinking.now()


def events(dataset: Dataset) -> list[Any]:
    with Log.open(dataset.path) as log:
        return [e.decision for e in log.events()]


# --- dealing --------------------------------------------------------------------------------------


def test_no_card_is_held_by_two_and_all_are_dealt(desk: Desk) -> None:
    held: dict[str, set[str]] = {"ann": set(), "bob": set()}
    for visitor in itertools.cycle((ANN, BOB)):
        cards, _ = desk.deal(visitor, 3, None)
        held[visitor.name] |= {c["id"] for c in cards}
        if not cards:
            break
    assert len(held["ann"]) > 3 and len(held["bob"]) > 3 and not held["ann"] & held["bob"]


def test_what_is_released_goes_to_others(desk: Desk) -> None:
    cards = []
    while more := desk.deal(ANN, 20, None)[0]:
        cards += more
    assert not desk.deal(BOB, 5, None)[0]
    assert desk.state(BOB)["waiting_seconds"] > 0
    desk.release(ANN, [cards[0]["id"], "no-such-card"])
    assert [c["id"] for c in desk.deal(BOB, 5, None)[0]] == [cards[0]["id"]]


def test_a_reviewer_who_has_gone_loses_the_cards(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desks, "LEASE_SECONDS", 0.05)
    first = desk.deal(ANN, 3, None)[0]
    time.sleep(0.1)
    assert {c["id"] for c in first} == {c["id"] for c in desk.deal(BOB, 3, None)[0]}


def test_a_page_that_was_loaded_again_gets_the_cards_it_held(desk: Desk) -> None:
    held = [c["id"] for c in desk.deal(ANN, 3, None)[0]]
    assert [c["id"] for c in desk.deal(ANN, 3, [])[0]] == held


def test_a_card_shows_its_track_where_it_is_and_not_why_it_is_asked(desk: Desk) -> None:
    card = next_card(desk, ANN)
    assert card["phrase"] in tiny.PHRASES and len(card["views"]) >= 8
    assert "sample" not in card and "seconds" not in card
    assert desk.views(card["id"]) and desk.media.strip(desk.views(card["id"]))


def test_eight_reviewers_at_once_answer_everything_once(dataset: Dataset) -> None:
    desk = Desk(dataset)
    wrong: list[str] = []
    seen: list[str] = []

    def review(k: int) -> None:
        visitor = Visitor(f"browser-{k}", f"reviewer {k}")
        while cards := desk.deal(visitor, 2, None)[0]:
            seen.extend(c["id"] for c in cards)
            for card in cards:
                told = desk.decide(visitor, answers(card))
                wrong.extend(f"{t}" for t in told if t["status"] != "saved")

    threads = [threading.Thread(target=review, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    desk.close()
    assert not wrong
    kept = events(dataset)
    assert len({d.id for d in kept}) == len(kept)
    # A repetition is another card; nobody else's card came twice.
    assert len(seen) == len(set(seen))
    assert {d.card for d in kept} == set(seen)


# --- deciding -------------------------------------------------------------------------------------


def test_a_decision_is_kept_with_all_that_only_the_server_knows(
    desk: Desk, dataset: Dataset
) -> None:
    card = next_card(desk, ANN)
    forged = {"actor": "bob", "sample": {"stream": "gold", "pi": 1.0}, "runs": {"walk": "x"}}
    [receipt] = desk.decide(ANN, [decision(card, **forged, anchor=[["walk", 0, 0, 0, 1, 1]])])
    assert receipt["status"] == "saved"
    [kept] = events(dataset)
    session = card["subject"]["session"]
    assert kept.actor == "ann" and kept.runs == {session: "first"}
    assert kept.sample.stream in ("repair", "audit", "gold") and kept.sample.snapshot
    looked = [(v["session"], v["frame_id"], *v["box_xyxy"]) for v in card["views"]]
    assert [tuple(a) for a in kept.anchor] == looked


@pytest.mark.parametrize(
    "change",
    [
        {"subject": {"kind": "track", "session": "walk", "id": 77}},
        {"subject": {"kind": "object", "id": 1}},
        {"card": "track-0000000000"},
        {"op": "steal"},
        {"id": "short"},
        {"body": {"phrase": "x" * 2_000_000}, "op": "relabel"},
    ],
)
def test_a_forged_event_is_refused_and_leaves_no_trace(
    desk: Desk, dataset: Dataset, change: dict[str, Any]
) -> None:
    card = next_card(desk, ANN)
    receipts = desk.decide(ANN, [{**decision(card), **change}, decision(card)])
    assert [r["status"] for r in receipts] == ["refused", "saved"] and receipts[0]["reason"]
    assert len(events(dataset)) == 1


def test_a_decision_sent_twice_counts_once_and_another_with_its_id_is_refused(
    desk: Desk, dataset: Dataset
) -> None:
    card = next_card(desk, ANN)
    sent = decision(card)
    told = [desk.decide(ANN, [s])[0]["status"] for s in (sent, sent, {**sent, "op": "reject"})]
    assert told == ["saved", "already", "refused"] and len(events(dataset)) == 1


def test_who_decides_on_what_somebody_changed_meanwhile_is_told(
    desk: Desk, dataset: Dataset
) -> None:
    card = next_card(desk, ANN)
    other = {**decision(card), "card": "", "base": -1}
    assert desk.decide(BOB, [other])[0]["status"] == "saved"
    # Nor does it help to claim to have seen it.
    told = desk.decide(ANN, [decision(card, "reject", base=10**6)])[0]
    assert told["status"] == "conflict" and "somebody else" in told["reason"]
    assert [d.actor for d in events(dataset)] == ["bob"]


def test_a_clock_that_is_wrong_informs_and_never_orders(desk: Desk, dataset: Dataset) -> None:
    cards = [next_card(desk, ANN) for _ in range(3)]
    for card, t_ns in zip(cards, (2**62, -5, 0), strict=True):
        assert desk.decide(ANN, [decision(card, t_ns=t_ns)])[0]["status"] == "saved"
    with Log.open(dataset.path) as log:
        kept = list(log.events())
    assert [e.decision.card for e in kept] == [c["id"] for c in cards]
    assert kept[0].received_ns < kept[1].received_ns < kept[2].received_ns


def test_what_an_older_page_decides_is_kept_with_its_version(desk: Desk, dataset: Dataset) -> None:
    card = next_card(desk, ANN)
    desk.decide(ANN, [decision(card, client="older")])
    assert events(dataset)[0].client == "older"


def test_an_answered_card_comes_no_more_and_an_undone_one_can_be_answered_again(
    desk: Desk,
) -> None:
    card = next_card(desk, ANN)
    sent = decision(card)
    desk.decide(ANN, [sent])
    settled(desk)
    assert card["id"] not in {c["id"] for c in desk.deal(BOB, 40, None)[0]}
    undo = decision(card, "undo", body={"of": sent["id"]})
    assert desk.decide(ANN, [undo])[0]["status"] == "saved"
    again = desk.card(card["id"])
    assert again["revision"] > card["revision"]
    assert desk.decide(ANN, [decision(again, "reject")])[0]["status"] == "saved"


def test_a_frame_is_answered_once_it_is_complete(desk: Desk) -> None:
    card = next_card(desk, ANN, "frame")
    added = decision(card, "add", body={"phrase": "spoon", "box_xyxy": [1, 1, 9, 9]})
    assert desk.decide(ANN, [added])[0]["status"] == "saved"
    settled(desk)
    assert card["id"] in {c["id"] for c in desk.deal(ANN, 40, [])[0]}
    desk.decide(ANN, [decision(card, "complete", body={"missed": 1})])
    settled(desk)
    assert card["id"] not in {c["id"] for c in desk.deal(ANN, 40, [])[0]}
    assert "spoon" in desk.state(ANN)["words"]


def test_a_full_disk_saves_nothing_and_the_same_can_be_sent_again(
    desk: Desk, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = [next_card(desk, ANN) for _ in range(2)]
    sent = [decision(card) for card in cards]
    log = desk._log
    pages = log._db.execute("PRAGMA page_count").fetchone()[0]
    log._db.execute(f"PRAGMA max_page_count = {pages}")
    big = [{**s, "op": "relabel", "body": {"phrase": "x" * 90}, "client": "y"} for s in sent]
    many = [{**b, "id": f"many-{k:06d}"} for k in range(500) for b in big[:1]]
    with pytest.raises(DatasetError, match="full"):
        desk.decide(ANN, [*sent, *many])
    assert not events(dataset)
    log._db.execute("PRAGMA max_page_count = 1000000")
    assert [r["status"] for r in desk.decide(ANN, sent)] == ["saved", "saved"]


# --- after ----------------------------------------------------------------------------------------


def test_decisions_become_effective_labels(dataset: Dataset) -> None:
    desk = Desk(dataset)
    card = next_card(desk, ANN)
    while desk._shown.get(card["id"]).entry.sample.stream == "gold":  # type: ignore[union-attr]
        card = next_card(desk, ANN)
    desk.decide(ANN, [decision(card, "relabel", body={"phrase": "teapot"})])
    session, track = card["subject"]["session"], card["subject"]["id"]
    desk._folding.now()
    shown = desk.frame(session, card["views"][0]["frame_id"])
    assert "teapot" in {i["phrase"] for i in shown["instances"] if i["track"] == track}
    desk.close()
    rows = Dataset.open(dataset.path).sql(
        "SELECT DISTINCT phrase FROM instances WHERE session = ? AND track = ?", [session, track]
    )
    assert rows["phrase"].to_pylist() == ["teapot"]


def test_a_review_that_was_broken_off_goes_on(dataset: Dataset) -> None:
    first = Desk(dataset)  # is as good as killed: it says no farewell and folds nothing
    cards = [next_card(first, ANN) for _ in range(4)]
    sent = [decision(card) for card in cards]
    first.decide(ANN, sent[:2])
    streams = [first._shown.get(c["id"]).entry.sample for c in cards]  # type: ignore[union-attr]
    second = Desk(Dataset.open(dataset.path))
    told = [r["status"] for r in second.decide(ANN, sent)]
    assert told == ["already", "already", "saved", "saved"]
    assert second.card(cards[3]["id"])["id"] == cards[3]["id"]
    second.close()
    kept = {d.card: d.sample for d in events(dataset)}
    assert [repr(kept[c["id"]]) for c in cards] == [repr(s) for s in streams]
    first.close()


def test_labels_made_anew_turn_open_cards_into_conflicts_and_keep_every_answer(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desks, "LOOK_SECONDS", 0.0)
    desk = Desk(dataset)
    card, before = next_card(desk, ANN), desk.state(ANN)["snapshot"]
    session, track = card["subject"]["session"], card["subject"]["id"]
    tiny.label(Dataset.open(dataset.path), session, "second", 9)
    assert desk.state(ANN)["snapshot"] != before
    told = desk.decide(ANN, [decision(card, "relabel", body={"phrase": "teapot"})])[0]
    assert told["status"] == "conflict" and "made anew" in told["reason"]
    with pytest.raises(AbsentError, match="made anew"):
        desk.card(card["id"])
    fresh = desk.deal(ANN, 5, [card["id"]])[0]
    assert fresh and all(c["id"] != card["id"] for c in fresh)
    assert desk.decide(ANN, answers(fresh[0]))[0]["status"] == "saved"
    desk.close()
    kept = next(d for d in events(dataset) if d.op == "relabel")
    assert kept.runs == {session: "first"}
    if kept.sample.stream != "gold":
        rows = Dataset.open(dataset.path).sql(
            "SELECT DISTINCT phrase FROM instances WHERE session = ? AND track = ?",
            [session, track],
        )
        assert rows["phrase"].to_pylist() == ["teapot"]


def test_a_card_of_labels_that_are_gone_says_so_after_a_restart(
    dataset: Dataset,
) -> None:
    first = Desk(dataset)
    card = next_card(first, ANN)
    first.close()
    tiny.label(dataset, card["subject"]["session"], "second", 9)
    second = Desk(Dataset.open(dataset.path))
    with pytest.raises(AbsentError, match="made anew"):
        second.card(card["id"])
    told = second.decide(ANN, [decision(card)])[0]
    assert told["status"] == "refused" and "made anew" in told["reason"]
    second.close()


def test_a_budget_ends_the_review(dataset: Dataset) -> None:
    desk = Desk(dataset, budget=0.5)
    asked = 0
    while cards := desk.deal(ANN, 1, None)[0]:
        sent = [{**a, "think_ms": 4000} for a in answers(cards[0])]
        desk.decide(ANN, sent)
        settled(desk)
        asked += 1
        assert asked < 40
    assert 3 <= asked <= 12  # half a minute, four seconds a card
    assert desk.state(ANN)["minutes"] == 0.5
    desk.close()


def test_proof_comes_with_audits_and_is_of_these_labels(dataset: Dataset) -> None:
    desk = Desk(dataset)
    for _ in range(60):
        cards, _ = desk.deal(ANN, 4, None)
        if not cards:
            break
        for card in cards:
            desk.decide(ANN, answers(card))
        settled(desk)
    state = desk.state(ANN)
    kinds = {q["kind"]: q for q in state["quality"]}
    assert {"any", "class", "missed"} <= set(kinds)
    assert all(0 <= q["low"] <= q["share"] <= q["high"] <= 1 for q in kinds.values())
    assert state["decided"] == len(events(dataset)) == state["log"]
    # A third is drawn at first; audited to its end, the same order goes on.
    order = draws.kept(dataset.path, state["snapshot"], "tracks")
    assert order is not None and len(order) == 18 and order.size > 6
    desk.close()


def test_nothing_to_review_is_said_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ReviewError, match="scenekeeper label"):
        Desk(Dataset.create(tmp_path / "empty.sk"))


def test_a_damaged_note_of_dealt_cards_costs_no_decision(dataset: Dataset) -> None:
    (dataset.path / "review").mkdir()
    (dataset.path / "review" / "dealt.sqlite").write_bytes(b"damaged" * 1000)
    desk = Desk(dataset)
    card = next_card(desk, ANN)
    assert desk.decide(ANN, [decision(card)])[0]["status"] == "saved"
    desk.close()
    assert sqlite3.connect(dataset.path / "review" / "dealt.sqlite").execute(
        "SELECT count(*) FROM dealt"
    ).fetchone() != (0,)


# --- masks ----------------------------------------------------------------------------------------


class Clicked:
    """Finds a square around the first click."""

    def __init__(self, found: bool = True) -> None:
        self.found = found
        self.score = 0.75
        self.counts: bytes | None = None

    def mask(self, frame: Frame, clicks: Any, box_xyxy: Any = None) -> Clicked:
        x, y, inside = clicks[0]
        assert inside and frame.rgb.shape[:2] == tiny.SIZE and frame.camera.width == 64
        dense = frame.rgb[..., 0] < 0
        dense[int(y) - 2 : int(y) + 2, int(x) - 2 : int(x) + 2] = True
        self.counts = masks.encode(dense) if self.found else None
        return self


def test_clicks_become_a_mask_where_a_segmenter_is_there(dataset: Dataset) -> None:
    desk = Desk(dataset, segmenter=Clicked())
    made = desk.mask("walk", 3, [(20.0, 20.0, True)], None)
    assert masks.area(made["counts"].encode()) == 16 and made["score"] == 0.75
    desk.close()
    desk = Desk(dataset, segmenter=Clicked(found=False))
    with pytest.raises(ReviewError, match="nothing is found"):
        desk.mask("walk", 3, [(20.0, 20.0, True)], None)
    desk.close()


def test_without_a_segmenter_the_remedy_is_said(desk: Desk) -> None:
    with pytest.raises(UnavailableError, match="--segmenter"):
        desk.mask("walk", 3, [(20.0, 20.0, True)], None)


# --- certificates ---------------------------------------------------------------------------------


def test_a_certificate_is_void_once_the_labels_are_made_anew(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desks, "LOOK_SECONDS", 0.0)
    desk = Desk(dataset)
    units = desk._board.units
    rows, n = tuple(range(len(units))), int(units.frames.sum())
    made = Certificate(
        *(0.05, 0.1, 0.1, ("class",), units.snapshot, "tracks", 0, 3, ((40, 0.0),)),
        *(n, rows, n, n, 0, 0),
    )
    draws.keep_certificate(dataset.path, made)
    desk.close()
    desk = Desk(dataset)
    told = desk.state(ANN)["certificate"]
    assert told["void"] is False and "right" in told["statement"]
    tiny.label(Dataset.open(dataset.path), "walk", "second", 9)
    assert desk.state(ANN)["certificate"]["void"] is True
    desk.close()
