"""Relations are drawn for audits, and from those alone it is told how many of them are wrong."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from scenekeeper.review import board as boards
from scenekeeper.review.board import Board
from scenekeeper.review.events import Decision, Event
from scenekeeper.schema import RELATIONS
from scenekeeper.store import Dataset
from tests.review.labelled import Thing, dataset

N = 40
"""Things, each said to lie beside the next; of every fourth it is not true."""

_numbers = count(1)


def related(path: Path, n: int = N) -> Dataset:
    things = tuple(Thing(k, f"thing {k}", tuple(range(5)), object=k) for k in range(1, n + 2))
    made = dataset(path, {"only": things}, frames=10)
    rows = [
        {**dict.fromkeys(RELATIONS.names), "session": "only", "subject": k, "object": k + 1}
        | {"predicate": "next to", "score": 0.6, "source": "geometry", "frame": ""}
        for k in range(1, n + 1)
    ]
    made.write_segment(pa.Table.from_pylist(rows, RELATIONS), "relations", "r", "only")
    made.set_current("only", {**made.current("only"), "relations": "r"})
    return made


def opened(made: Dataset) -> Board:
    return boards.with_questions(boards.opened(made, lambda key: 0, seed=3))


def answered(entry: Any) -> Event:
    number = next(_numbers)
    op = "reject" if entry.subject.id % 4 == 0 else "accept"
    decision = Decision(f"decision-{number}", op, entry.subject, sample=entry.sample, actor="ann")  # type: ignore[arg-type]
    return Event(number, decision, number, "", "")


def relations_of(board: Board, stream: str) -> list[Any]:
    entries = [e for e in board.entries if e.kind == "relation"]
    return [e for e in entries if e.sample.stream == stream]


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return boards.with_events(opened(related(tmp_path / "d.sk")), [], [], 1e9)


def test_some_are_drawn_in_a_kept_order_and_no_other_card_asks_about_them(board: Board) -> None:
    drawn, others = relations_of(board, "audit"), relations_of(board, "repair")
    assert len(drawn) == round(N / 3 + 0.5) and [e.sample.rank for e in drawn] == [*range(14)]
    assert {e.sample.pi for e in drawn} == {14 / N}
    assert not {e.subject for e in drawn} & {e.subject for e in others}
    again = boards.with_events(opened(board.dataset), [], [], 1e9)
    assert [e.subject for e in relations_of(again, "audit")] == [e.subject for e in drawn]


def test_the_share_of_wrong_ones_is_told_and_the_truth_lies_in_its_interval(board: Board) -> None:
    events = [answered(e) for e in relations_of(board, "audit")]
    proven = boards.with_proof(boards.with_events(board, events, [], 1e9))
    [told] = [q for q in proven.quality if q.kind == "relation"]
    wrong = sum(e.decision.op == "reject" for e in events)
    assert told.share == pytest.approx(wrong / len(events))
    assert told.low <= 0.25 <= told.high


def test_answers_to_chosen_cards_tell_nothing(board: Board) -> None:
    events = [answered(e) for e in relations_of(board, "repair")]
    proven = boards.with_proof(boards.with_events(board, events, [], 1e9))
    assert not [q for q in proven.quality if q.kind == "relation"]


def test_a_draw_of_other_relations_of_the_same_labels_is_not_used(board: Board) -> None:
    rows = board.dataset.read_segment("relations", "r", "only").slice(0, N - 5)
    board.dataset.write_segment(rows, "relations", "other", "only")
    board.dataset.set_current("only", {**board.dataset.current("only"), "relations": "other"})
    again = boards.with_events(opened(Dataset.open(board.dataset.path)), [], [], 1e9)
    assert "relation" not in again.asked and not relations_of(again, "audit")
