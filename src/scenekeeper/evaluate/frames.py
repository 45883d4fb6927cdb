"""Which frame of one labeling is which of another, and whether the two can be compared at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from scenekeeper.errors import DatasetError
from scenekeeper.evaluate.labelled import FrameKey, Int, Labelled
from scenekeeper.schema import UNNAMED


def on_common_frames(found: Labelled, truth: Labelled) -> tuple[Labelled, Labelled]:
    """Both labelings on the frames that both have, numbered alike.

    Frames are paired by session (see :func:`session_names`), time, and camera where both know it by
    the same name.

    Raises:
        DatasetError: the two have no frame in common, or a frame is of two sizes.
    """
    rename = session_names(found, truth)
    with_camera = bool(set(found.camera) & set(truth.camera))
    keys = {key: k for k, key in enumerate(_keys(truth, {}, with_camera))}
    place = np.array([keys.get(key, -1) for key in _keys(found, rename, with_camera)], np.int64)
    if not (place >= 0).any():
        raise DatasetError(
            f"has no frame in common with {truth.name}: {_some(found)} against {_some(truth)}",
            path=found.name,
            remedy="Label the recordings that the truth is of; frames are paired by session and"
            " time.",
        )
    order = np.full(len(truth.frames), -1, np.int64)
    both = np.unique(place[place >= 0])
    order[both] = np.arange(len(both))
    place = np.where(place >= 0, order[place], -1)
    flags = [truth.flags[k] for k in both]
    for k, at in enumerate(place):
        if at >= 0:
            flags[at] = flags[at] | found.flags[k]
    sides = _moved(found, place, truth, both, flags), _moved(truth, order, truth, both, flags)
    _check_sizes(*sides)
    return sides


def session_names(found: Labelled, truth: Labelled) -> dict[str, str]:
    """The truth's name of each session of the labels that has another one.

    Sessions are paired by name. Where no name is on both sides, one session each is paired whatever
    the names, several by what the name ends in: a folder of files is labelled as ``FOLDER-FILE``.
    """
    ours, theirs = ({s for s, _ in side.frames} for side in (found, truth))
    if ours & theirs:
        return {}
    if len(ours) == len(theirs) == 1:
        return {ours.pop(): theirs.pop()}
    pairs = {s: end for s in ours if (end := _known_end(s, theirs)) is not None}
    return pairs if len(set(pairs.values())) == len(pairs) else {}


def _known_end(name: str, known: Collection[str]) -> str | None:
    """The longest part of a name after a dash that is known."""
    ends = (name[k + 1 :] for k, letter in enumerate(name) if letter == "-")
    return next((end for end in ends if end in known), None)


def of_sessions(side: Labelled, wanted: Sequence[str]) -> Labelled:
    """The part of a labeling that is of some sessions, all frames kept."""
    here = np.array([s in set(wanted) for s, _ in side.frames], np.bool_)
    order = np.where(here, np.cumsum(here) - 1, -1)
    rows = np.flatnonzero(here)
    return _moved(side, order, side, rows, [side.flags[k] for k in rows])


def notes(found: Labelled, truth: Labelled, common: int, names: Mapping[str, str]) -> list[str]:
    """What makes the two hard to compare, one sentence each."""
    out = []
    if common < len(truth.frames):
        out.append(f"{found.name} has {common} of the {len(truth.frames)} frames of {truth.name}")
    if common < len(found.frames):
        more = len(found.frames) - common
        out.append(f"{more} of {len(found.frames)} frames of {found.name} are not in {truth.name}")
    return out + _name_notes(found, truth, names)


def _name_notes(found: Labelled, truth: Labelled, names: Mapping[str, str]) -> list[str]:
    there = {names.get(p, p) for p in truth.phrase}
    said = {names.get(p, p) for p in found.phrase} - {UNNAMED}
    strange = sorted(said - there)
    if said and len(strange) == len(said):
        return [
            f"none of the {len(said)} names in {found.name} is a class of {truth.name}, such as"
            f" {', '.join(sorted(there)[:3])}: only class-agnostic scores mean anything"
        ]
    if strange:
        more = f" and {len(strange) - 3} more" if len(strange) > 3 else ""
        return [
            f"{len(strange)} of the {len(said)} names in {found.name} are no class of"
            f" {truth.name} and count as wrong: {', '.join(strange[:3])}{more}"
        ]
    return []


def _keys(
    side: Labelled, rename: Mapping[str, str], with_camera: bool
) -> list[tuple[str, int, str]]:
    return [
        (rename.get(s, s), t, camera if with_camera else "")
        for (s, t), camera in zip(side.frames, side.camera, strict=True)
    ]


def _moved(
    side: Labelled, place: Int, like: Labelled, rows: Int, flags: Sequence[frozenset[str]]
) -> Labelled:
    """A labeling on some frames of another; place -1 = the frame is left out."""
    kept = side[place[side.image] >= 0]
    frames: tuple[FrameKey, ...] = tuple(like.frames[k] for k in rows)
    return replace(
        kept,
        frames=frames,
        clip=like.clip[rows],
        image=place[kept.image],
        flags=tuple(flags),
        camera=tuple(like.camera[k] for k in rows),
    )


def _check_sizes(found: Labelled, truth: Labelled) -> None:
    """Boxes of pictures of other sizes mean nothing to each other."""
    size = np.full((len(truth.frames), 2), -1, np.int64)
    size[truth.image] = truth.size
    known = size[found.image]
    other = np.flatnonzero((known[:, 0] >= 0) & (known != found.size).any(1))
    if len(other):
        k = int(other[0])
        session, t = truth.frames[found.image[k]]
        ours, theirs = found.size[k].tolist(), known[k].tolist()
        raise DatasetError(
            f"is of pictures of {ours[1]} x {ours[0]}, but {truth.name} of {theirs[1]} x"
            f" {theirs[0]} pixels",
            path=found.name,
            place=f"{session}, {t} ns" if t else session,
            remedy="Label pictures of the truth's size, or scale one of the two.",
        )


def _some(side: Labelled) -> str:
    names = sorted({s for s, _ in side.frames})
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return f"{', '.join(names[:2])}{more}, {len(side.frames)} frames" if names else "no frames"
