"""mAP50 of drives: proposals under their own names, and under those written of their tracks."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

pytest.importorskip("pycocotools")

from recipes.embedded.drives import alone, drives, of_track
from recipes.embedded.frames import CLASSES

from scenekeeper.segment.project import sighted

MUG, CUP, BOOK = (CLASSES.index(n) for n in ("mug", "cup", "book"))
BOX = [10.0, 10.0, 50.0, 50.0]


def logits(**names: float) -> list[float]:
    out = np.zeros(len(CLASSES))
    for name, value in names.items():
        out[CLASSES.index(name)] = value
    return out.tolist()


def proposal(frame: int, said: list[float], score: float = 0.8, row: int = 0) -> dict[str, Any]:
    return {
        "frame_id": frame,
        "t_ns": frame,
        "proposal": row,
        "box_xyxy": BOX,
        "score": score,
        "logits": said,
    }


def thing(frame: int, phrase: str = "mug") -> dict[str, Any]:
    return {"t_ns": frame, "box_xyxy": BOX, "phrase": phrase}


@dataclass
class Made:
    """A dataset of one session of one clip."""

    proposals: list[dict[str, Any]] = field(default_factory=list)
    tracks: list[dict[str, Any]] = field(default_factory=list)
    things: list[dict[str, Any]] = field(default_factory=list)

    def sessions(self) -> list[str]:
        return ["s"]

    def current(self, session: str) -> dict[str, str]:
        return {"proposals": "p", "tracks": "t"}

    def session(self, session: str) -> SimpleNamespace:
        return SimpleNamespace(n_clips=1)

    def read_segment(self, table: str, run: str, session: str, clip: int = 0) -> pa.Table:
        return pa.Table.from_pylist(self.proposals if table == "proposals" else self.tracks)

    def table(self, name: str, session: str) -> pa.Table:
        return pa.Table.from_pylist(self.things)


def track(names: list[str], p: list[float], frames: range, score: float = 0.9) -> dict[str, Any]:
    return {
        "score": score,
        "names": names,
        "p_names": p,
        "frame_ids": list(frames),
        "proposals": [0] * len(frames),
    }


def test_a_track_gives_its_views_the_name_that_one_of_them_misses() -> None:
    right, wrong = logits(mug=8.0), logits(cup=6.0, mug=5.0)
    made = Made(
        [proposal(0, right), proposal(1, right), proposal(2, wrong)],
        [track(["mug", "cup", "book"], [0.97, 0.02, 0.01], range(3))],
        [thing(k) for k in range(3)],
    )
    found = drives(made, made)  # type: ignore[arg-type]
    assert found["single first name"] == pytest.approx(2 / 3)
    assert found["fused first name"] == found["fused mAP50"] == 1


def test_a_name_that_was_written_is_what_counts_even_if_views_say_otherwise() -> None:
    made = Made(
        [proposal(0, logits(mug=8.0))],
        [track(["cup", "book", "mug"], [0.9, 0.06, 0.04], range(1))],
        [thing(0)],
    )
    found = drives(made, made)  # type: ignore[arg-type]
    assert found["single first name"] == 1 and found["fused first name"] == 0


def test_what_shows_no_track_speaks_for_itself() -> None:
    made = Made([proposal(0, logits(mug=8.0))], [], [thing(0)])
    found = drives(made, made)  # type: ignore[arg-type]
    assert found["fused mAP50"] == found["single mAP50"] == 1


def test_of_two_of_one_name_that_of_the_surer_thing_comes_first() -> None:
    said = logits(mug=8.0)
    sure, unsure = track(["mug"], [0.9], range(1), 0.9), track(["mug"], [0.9], range(1, 2), 0.2)
    made = Made([proposal(0, said, 0.5), proposal(1, said, 0.6)], [sure, unsure], [thing(0)])
    made.things.append({**thing(1, "book"), "box_xyxy": [100.0, 100, 150, 150]})
    found = drives(made, made)  # type: ignore[arg-type]
    assert found["single mAP50"] == pytest.approx(0.25)  # the mug comes second
    assert found["fused mAP50"] == pytest.approx(0.5)  # nobody finds the book


def test_a_view_of_a_track_has_the_score_of_its_label() -> None:
    said = of_track(proposal(0, logits(mug=2.0)), track(["mug", "cup"], [0.7, 0.2], range(1)))
    assert said.score == sighted(0.9, 0.8)
    assert said.classes == [MUG, CUP] and said.p == [0.7, 0.2]
    ranks = [vote[0] for vote in said.votes(0, 0)]
    assert ranks == sorted(ranks, reverse=True)


def test_a_word_that_people_taught_is_no_class_and_left_out() -> None:
    said = of_track(proposal(0, logits()), track(["gasket", "book"], [0.6, 0.3], range(1)))
    assert said.classes == [BOOK] and said.p == [0.3]


def test_a_view_alone_votes_for_its_three_likeliest_names() -> None:
    said = alone(proposal(0, logits(cup=3.0, mug=2.0, book=1.0)))
    assert said.classes == [CUP, MUG, BOOK] and said.score == 0.8
