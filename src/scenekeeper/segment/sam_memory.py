"""What a session of SAM 2 or SAM 3 has to remember of the past, and no more.

The sessions of transformers keep every picture, mask and memory they have ever made: 12 MB a frame
and 6 MB a thing and frame at 1024 pixels. The models read little of it. What they never read again
is dropped here after each frame, and their answers stay the same to the bit.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

READ = ("maskmem_features", "maskmem_pos_enc", "object_pointer")
"""Of what is stored for a thing and a frame, what later frames read."""


@dataclass(frozen=True)
class Reach:
    """How far back a model looks.

    Attributes:
        features: frames whose memory of the picture is read.
        pointers: frames whose summary of the thing is read.
        conditioning: prompted frames whose memory is read, latest first; -1 = all that are kept.
        prompts: prompted frames that are kept of a thing: its first and the latest. A thing of
            SAM 2 has one; SAM 3 adds one every 16 frames, and reads the summaries of all.
    """

    features: int = 6
    pointers: int = 15
    conditioning: int = -1
    prompts: int = 64

    @classmethod
    def of(cls, model: Any) -> Reach:
        """As a model of transformers is configured."""
        config = model.config
        return cls(
            config.num_maskmem - 1,
            config.max_object_pointers_in_encoder - 1,
            config.max_cond_frame_num,
        )


def prune(session: Any, frame: int, reach: Reach) -> None:
    """Drop what no frame after this one reads.

    Args:
        session: an inference session of SAM 2, EdgeTAM or SAM 3, changed in place.
        frame: index of the frame that is done; earlier ones are done too.
        reach: of the session's model.
    """
    _drop(session.processed_frames, frame + 1)
    for stored in session.output_dict_per_obj.values():
        _prune_prompted(stored["cond_frame_outputs"], frame, reach)
        tracked = stored["non_cond_frame_outputs"]
        _drop(tracked, frame - reach.pointers + 1)
        _thin(tracked, {k for k in tracked if k > frame - reach.features})
    for inputs in (session.point_inputs_per_obj, session.mask_inputs_per_obj):
        for frames in inputs.values():
            _drop(frames, frame + 1)
    for frames in session.frames_tracked_per_obj.values():
        _drop(frames, frame + 1)


def forget(session: Any, ids: Collection[int]) -> None:
    """Take things out of a session as if they had never been in it.

    Args:
        session: as in :func:`prune`.
        ids: of the things, as the session knows them.
    """
    kept = [i for i in session.obj_ids if i not in ids]
    rows = [session._obj_id_to_idx[i] for i in kept]
    for table in (
        session.point_inputs_per_obj,
        session.mask_inputs_per_obj,
        session.output_dict_per_obj,
        session.frames_tracked_per_obj,
    ):
        moved = [table[row] for row in rows if row in table]
        table.clear()
        table.update(enumerate(moved))
    session._obj_id_to_idx = OrderedDict((i, row) for row, i in enumerate(kept))
    session._obj_idx_to_id = OrderedDict(enumerate(kept))
    session.obj_ids = kept


def _prune_prompted(stored: dict[int, Any], frame: int, reach: Reach) -> None:
    latest = sorted(stored)
    for k in latest[1 : max(1, len(latest) + 1 - reach.prompts)]:
        del stored[k]
    if reach.conditioning < 0:
        whole = set(stored)
    else:
        # One that is no longer read as a prompt is read as a frame like any other.
        near = {k for k in stored if k > frame - reach.features}
        whole = near | set(latest[max(0, len(latest) - reach.conditioning) :])
    _thin(stored, whole)


def _thin(stored: dict[int, Any], whole: Collection[int]) -> None:
    """Keep what is read; of frames that are not ``whole``, only the summary of the thing."""
    for k, out in stored.items():
        names = READ if k in whole else READ[-1:]
        for name in [name for name in out if name not in names]:
            del out[name]


def _drop(stored: dict[int, Any] | None, before: int) -> None:
    for k in [k for k in stored or () if k < before]:
        assert stored is not None
        del stored[k]
