"""From masklets of clips to instances of a session: one track per thing, one name per track.

In: masklets, which overlap by the frames that a clip has followed of the one before. Out: which
tracks are one, and instances under their session-wide tracks.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from scenekeeper.models.tables import by_frame, labels_of
from scenekeeper.schema import NO_ID, STITCHES, UNNAMED, Clip, Frame, Labels, instances_table
from scenekeeper.segment.flags import flags_of
from scenekeeper.segment.stitch import StitchConfig, Stitcher


class SessionTables(Protocol):
    """What the stages read; the engine provides it."""

    @property
    def session(self) -> str:
        """The session's name."""
        ...

    @property
    def clips(self) -> tuple[Clip, ...]:
        """Its clips that are made."""
        ...

    def of_clip(self, table: str, clip: Clip) -> pa.Table:
        """One clip of a table."""
        ...

    def of_session(self, table: str) -> pa.Table:
        """A table of the whole session."""
        ...


@dataclass(frozen=True)
class Stitch:
    """Session stage: masklets in, stitches out.

    Attributes:
        config: when two tracks are one.
    """

    config: StitchConfig = field(default_factory=StitchConfig)
    name: str = "stitch"
    reads: tuple[str, ...] = ("masklets",)
    writes: tuple[str, ...] = ("stitches",)

    def facts(self) -> Mapping[str, Any]:
        """What the output depends on."""
        return {"version": 1, "config": asdict(self.config)}

    def reduce(self, tables: SessionTables, run: str) -> Mapping[str, pa.Table]:
        """Join the tracks of clips, one clip in memory at a time, and name them."""
        stitcher, rows = Stitcher(self.config), list[dict[str, Any]]()
        votes: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        seen: Counter[int] = Counter()
        for clip in tables.clips:
            frames = {
                k: labels_of(of) for k, of in by_frame(tables.of_clip("masklets", clip)).items()
            }
            track_of = stitcher.add(clip, frames)
            rows += [
                {"session": tables.session, "clip": clip.index, "masklet": own, "track": track}
                for own, track in sorted(track_of.items())
            ]
            for frame in frames.values():
                _vote(frame, track_of, votes, seen)
        for row in rows:
            row |= _name(votes[row["track"]], seen[row["track"]])
        return {"stitches": pa.Table.from_pylist(rows, STITCHES)}


def _vote(
    frame: Labels,
    track_of: Mapping[int, int],
    votes: Mapping[int, dict[str, float]],
    seen: Counter[int],
) -> None:
    """Count what a frame calls its tracks, by the scores of all names that it gives them."""
    assert frame.track is not None
    for k, own in enumerate(frame.track.tolist()):
        if own == NO_ID:
            continue
        seen[track_of[own]] += 1
        for phrase, score in (frame.names[k] or {frame.phrase[k]: frame.score[k]}).items():
            votes[track_of[own]][phrase] += float(score)


def _name(votes: Mapping[str, float], frames: int) -> dict[str, Any]:
    """Name of a track: what its frames together score highest; its score is their mean."""
    ranked = sorted(votes.items(), key=lambda vote: (-vote[1], vote[0]))
    if not ranked:
        return {"phrase": UNNAMED, "score": 0.0, "names": []}
    names = [(phrase, total / frames) for phrase, total in ranked]
    return {"phrase": names[0][0], "score": names[0][1], "names": names}


@dataclass(frozen=True)
class Number:
    """Clip stage without pixels: masklets and stitches in, instances out.

    Attributes:
        small_side: instances with a box side below this many pixels are flagged ``small``.
    """

    small_side: int = 20
    name: str = "number"
    reads: tuple[str, ...] = ("masklets", "stitches")
    writes: tuple[str, ...] = ("instances",)

    def facts(self) -> Mapping[str, Any]:
        """What the output depends on."""
        return {"version": 1, "small_side": self.small_side}

    def wanted(self, clip: Clip, tables: SessionTables) -> tuple[int, ...]:
        """No frame."""
        return ()

    def open(self, clip: Clip, tables: SessionTables) -> NumberJob:
        """Start on a clip."""
        stitches = tables.of_session("stitches")
        rows = [r for r in stitches.to_pylist() if r["clip"] == clip.index]
        return NumberJob(
            clip,
            tables.of_clip("masklets", clip),
            {r["masklet"]: (r["track"], r["phrase"]) for r in rows},
            self.small_side,
        )


@dataclass
class NumberJob:
    """Gives the masklets of a clip the tracks and names of the session."""

    clip: Clip
    masklets: pa.Table
    known: Mapping[int, tuple[int, str]]
    small_side: int

    def encode(self, frame: Frame) -> Frame:
        """No frame comes."""
        return frame

    def collect(self, item: Frame) -> None:
        """No frame comes."""

    def finish(self) -> Mapping[str, pa.Table]:
        """The clip's instances; frames of the clip before are that clip's."""
        labels = list(self._labels())
        flags = [flags_of(frame, self.small_side) for frame in labels]
        return {"instances": instances_table(self.clip.session, labels, flags)}

    def _labels(self) -> Iterator[Labels]:
        for frame_id, rows in sorted(by_frame(self.masklets).items()):
            if frame_id < self.clip.start:
                continue
            frame = labels_of(rows)
            assert frame.track is not None
            said = [self.known.get(t) for t in frame.track.tolist()]
            named = zip(said, frame.phrase, strict=True)
            yield replace(
                frame,
                track=np.array([NO_ID if s is None else s[0] for s in said], np.int64),
                phrase=tuple(own if s is None else s[1] for s, own in named),
            )
