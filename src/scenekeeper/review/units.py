"""What is reviewed: the tracks of a dataset, each with what the machine knows of its own doubt.

A unit is a track, not a frame: frames of one track are wrong together, so they are looked at,
corrected and counted together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Units:
    """N tracks as a struct of arrays, in the order of session and track.

    Attributes:
        snapshot: fingerprint of the labels they are of: the runs in force, of every session.
        session: N session names.
        track: ``int64 [N]`` within the session.
        object: ``int64 [N]`` in the world; -1 = none.
        phrase: N names that the machine gave.
        frames: ``int64 [N]`` how many labels each has, one a frame.
        first: ``int64 [N]`` first and
        last: ``int64 [N]`` last ``frame_id``.
        size_px: ``float64 [N]`` median square root of the area in pixels.
        choices: N mappings of what it may be called to the machine's belief, best first.
        signals: F names of the columns of ``X``.
        X: ``float64 [N, F]`` what may tell right from wrong, on fixed scales of about unit
            spread, 0 = typical or unknown; higher = more doubtful.
        logit: ``float64 [N]`` logit of the machine's own belief that the label is right.
    """

    snapshot: str
    session: tuple[str, ...]
    track: Int
    object: Int
    phrase: tuple[str, ...]
    frames: Int
    first: Int
    last: Int
    size_px: Float
    choices: tuple[Mapping[str, float], ...]
    signals: tuple[str, ...]
    X: Float
    logit: Float

    def __len__(self) -> int:
        return len(self.track)

    def __getitem__(self, index: Any) -> Units:
        """Units by slice, integer array or boolean mask."""
        rows = np.atleast_1d(np.arange(len(self))[index])
        return replace(
            self,
            session=tuple(self.session[i] for i in rows),
            track=self.track[rows],
            object=self.object[rows],
            phrase=tuple(self.phrase[i] for i in rows),
            frames=self.frames[rows],
            first=self.first[rows],
            last=self.last[rows],
            size_px=self.size_px[rows],
            choices=tuple(self.choices[i] for i in rows),
            X=self.X[rows],
            logit=self.logit[rows],
        )
