"""A clip is described by its keyframes; other frames follow the nearest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from scenekeeper.describe.clips import Story, describe_clip
from scenekeeper.describe.keyframes import KeyframeConfig
from scenekeeper.models import Card
from scenekeeper.models.base import Words
from scenekeeper.schema import Frame, Labels
from tests.checkpoints.pictures import frame

CONFIG = KeyframeConfig(every_s=1.0, least=1.0)


@dataclass
class Namer:
    """Says of everything which frame it was seen in."""

    asked: list[int] = field(default_factory=list)
    card: Card = field(default=Card("namer", "1", "", frozenset({"caption"}), max_batch=1))

    def run(
        self, frames: Sequence[Frame], vocabulary: Words, prior: Sequence[Labels | None]
    ) -> list[Labels]:
        assert len(frames) <= self.card.max_batch
        self.asked += [f.frame_id for f in frames]
        return [
            replace(p, caption=f"frame {f.frame_id}", text=(f"in {f.frame_id}",) * len(p))
            for f, p in zip(frames, prior, strict=True)
            if p is not None
        ]


def known(step: int, tracks: Sequence[int]) -> Labels:
    box = np.full((len(tracks), 4), (10, 10, 90, 90), np.float32)
    return Labels(step, step * 100_000_000, (240, 320), box, track=np.array(tracks, np.int64))


def test_frames_follow_the_nearest_keyframe_on_and_on() -> None:
    model, story = Namer(), Story()
    shown = [(1,)] * 15 + [(1, 2, 3)] * 15
    labels = [known(k, tracks) for k, tracks in enumerate(shown)]
    frames = [frame(step=k) for k in range(30)]
    out: list[Labels] = []
    for some in (slice(0, 10), slice(10, 20), slice(20, 30)):
        described, story = describe_clip(model, frames[some], labels[some], {}, story, CONFIG)
        out += described
    assert len(model.asked) == 2 and model.asked[0] < 10 and 15 <= model.asked[1] < 20
    first, second = (f"frame {k}" for k in model.asked)
    assert {each.caption for each in out[:10]} == {first}
    assert {each.caption for each in out[15:]} == {second}
    assert all(each.text[0] in {f"in {k}" for k in model.asked} for each in out)


def test_a_clip_without_frames_or_things() -> None:
    model = Namer()
    assert describe_clip(model, [], [], {})[0] == []
    out, _ = describe_clip(model, [frame()], [known(0, ())], {})
    assert out[0].caption == "frame 0"
