"""A session's proposals, without their masks, as arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scenekeeper.schema import PROPOSALS

Int = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Found:
    """All proposals of a session as columns, by clip and frame.

    Attributes:
        frame_id: ``int64 [N]``.
        proposal: ``int64 [N]`` number within the frame.
        box: ``float32 [N, 4]`` xyxy pixels.
        size: ``int64 [N, 2]`` height and width of the picture.
        score: ``float32 [N]``.
        depth: ``float32 [N]`` metres; NaN = unknown.
        keys: N arrays of voxels, ``int64``.
        embedding: ``float32 [N, E]`` unit vectors.
        logits: ``float32 [N, C]`` calibrated.
    """

    frame_id: Int
    proposal: Int
    box: NDArray[np.float32]
    size: Int
    score: NDArray[np.float32]
    depth: NDArray[np.float32]
    keys: list[Int]
    embedding: NDArray[np.float32]
    logits: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.score)

    @classmethod
    def of(cls, clips: Iterator[pa.Table], n_classes: int) -> Found:
        """Take the columns out of the clips' tables of proposals."""
        parts = [_light(c) for c in (PROPOSALS.empty_table(), *clips)]
        table = pa.concat_tables(parts)
        n = len(table)

        def numbers(name: str, dtype: Any) -> Any:
            return table[name].to_numpy(zero_copy_only=False).astype(dtype)

        def lists(name: str) -> list[Any]:
            return [np.asarray(v, np.int64) for v in table[name].to_pylist()]

        flat = {
            name: np.array(table[name].combine_chunks().flatten(), np.float32)
            for name in ("box_xyxy", "embedding", "logits")
        }
        return cls(
            numbers("frame_id", np.int64),
            numbers("proposal", np.int64),
            flat["box_xyxy"].reshape(n, 4),
            np.stack((numbers("height", np.int64), numbers("width", np.int64)), 1),
            numbers("score", np.float32),
            numbers("depth", np.float32),
            lists("keys"),
            flat["embedding"].reshape(n, -1) if n else np.zeros((0, 1), np.float32),
            flat["logits"].reshape(n, n_classes),
        )


def _light(clip: pa.Table) -> pa.Table:
    """The columns that tracks are made from; masks stay on disk."""
    return clip.drop_columns(["mask", "session", "t_ns"])
