"""RLDS datasets, as Open X-Embodiment publishes them, as one recording per episode.

In: a folder of TensorFlow Datasets with TFRecord files, ours or other people's. Out: recordings
whose cameras and signals share the clock of the steps. RLDS keeps no times, calibrations or poses;
in datasets that we wrote they lie beside it and are read back. Opening finds the records of every
file and reads flags, texts and times of each; pictures and numbers are read when they are asked
for, with their checksums. No TensorFlow is needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from scenekeeper.errors import RecordingError
from scenekeeper.recording import rlds_episode, rlds_meta, sidecar, tfrecord
from scenekeeper.recording.base import Images, Recording, View, content_fingerprint
from scenekeeper.recording.facts import rebuild
from scenekeeper.recording.files import existing
from scenekeeper.recording.rlds_episode import Episode, Example, StepSignals
from scenekeeper.recording.rlds_meta import FEATURES, Builder, Feature, Shard
from scenekeeper.recording.sidecar import Kept
from scenekeeper.recording.tfrecord import Record
from scenekeeper.schema import Camera

_DAMAGE_NOTES = 5
_NO_CLOCK = "RLDS keeps no times; they were synthesised at 10 steps a second."
_WORDS = frozenset({"image", "rgb", "color", "depth"})
"""Of names, those that tell a colour stream from depth."""


def open(path: Path) -> list[Recording] | None:
    """Open every episode of an RLDS dataset that is on disk.

    Args:
        path: a version's folder, that of its dataset (the newest version counts), or one that
            holds such.

    Returns:
        Recordings named ``<dataset>-<split>_000029``, those we wrote by their own names, or
        ``None`` when this is no dataset of TensorFlow Datasets. Episodes that are missing or
        damaged are left out, and every recording's notes say so.

    Raises:
        RecordingError: what the dataset says of itself is missing or damaged, it holds no
            episodes of steps, or none can be read.
    """
    if path.is_file() and ".tfrecord-" in path.name:
        raise RecordingError(
            "is one file of a dataset", path=path, remedy=f"Open its folder: {path.parent}"
        )
    if not path.is_dir():
        return None
    found = [rlds_meta.read_builder(folder) for folder in rlds_meta.find(path)]
    builders = [builder for builder in found if builder is not None]
    if builders:
        return [recording for builder in builders for recording in _read(builder)]
    if (strays := len(list(path.glob("*.tfrecord*")))) > 0:
        raise RecordingError(
            f"holds {strays} TFRecord files and no {FEATURES} of TensorFlow Datasets that says"
            " what is in them",
            path=path,
            remedy=f"Copy {FEATURES} and {rlds_meta.INFO} here from where the dataset was made.",
        )
    return None


def _read(builder: Builder) -> list[Recording]:
    source = _Source.of(builder)
    recordings: list[Recording] = []
    notes, damaged = list(builder.notes), list[str]()
    before: dict[str, int] = {}
    for shard in builder.shards:
        found = tfrecord.listing(shard.path)
        first, stated = _first(builder, shard, before)
        before[shard.split] = first + max(len(found.records), stated or 0)
        if found.damage or stated not in (None, len(found.records)):
            notes.append(_on_shard(shard, found, stated))
        with shard.path.open("rb") as file:
            for number, record in enumerate(found.records, first):
                try:
                    episode = rlds_episode.look(file, record, builder.features, source.load)
                    recordings.append(_recording(source, shard.split, number, episode))
                except RecordingError as error:
                    damaged.append(f"Episode {number} of {shard.split!r} is left out: {error}")
    if not recordings:
        said = [*damaged, *notes]
        raise RecordingError(
            "none of its episodes can be read",
            path=builder.root,
            remedy=said[0] if said else "Get its TFRecord files too.",
        )
    notes += damaged[:_DAMAGE_NOTES]
    if len(damaged) > _DAMAGE_NOTES:
        notes.append(f"{len(damaged) - _DAMAGE_NOTES} more episodes are damaged and are left out.")
    return [replace(r, notes=(*r.notes, *notes)) for r in recordings]


def _first(builder: Builder, shard: Shard, before: Mapping[str, int]) -> tuple[int, int | None]:
    """Number of a file's first episode, and how many it should hold, if that is stated."""
    stated = builder.lengths.get(shard.split, ())
    if len(stated) != shard.of or shard.number >= shard.of:
        return before.get(shard.split, 0), None
    return sum(stated[: shard.number]), stated[shard.number]


def _on_shard(shard: Shard, found: tfrecord.Listing, stated: int | None) -> str:
    n = len(found.records)
    held = f"{n} of {stated}" if stated is not None else f"{n}"
    why = f": {found.damage}" if found.damage else ""
    return f"{shard.path.name} holds {held} episodes{why}."


@dataclass(frozen=True)
class _Source:
    """A dataset, and what its episodes share.

    Attributes:
        builder: the dataset.
        load: gives what a record holds; the last two stay in memory.
        kept: what we kept beside it, by split and number of the episode.
        own_names: whether those are told apart by the names they had.
        stamp: fingerprint of everything but the episodes.
        unread: a note on features that are not read.
    """

    builder: Builder
    load: Callable[[Record], Example]
    kept: Mapping[tuple[str, int], Kept]
    own_names: bool
    stamp: str
    unread: tuple[str, ...]

    @classmethod
    def of(cls, builder: Builder) -> _Source:
        root = builder.root
        kept = {_place(k): k for k in sidecar.read(root) or [] if "cameras" in k.where}
        names = (FEATURES, sidecar.NAME, sidecar.SIGNALS_NAME)
        stamp = content_fingerprint(root, existing(*(root / name for name in names)))
        own_names = len({k.facts.name for k in kept.values()}) == len(kept)
        load = lru_cache(maxsize=2)(rlds_episode.load)  # two threads may be at two episodes
        return cls(builder, load, kept, own_names, stamp, tuple(_unread(builder)))


def _place(kept: Kept) -> tuple[str, int]:
    episode = kept.where.get("episode")
    return str(kept.where.get("split")), episode if isinstance(episode, int) else -1


def _unread(builder: Builder) -> Iterator[str]:
    others = [f.key for f in builder.features.values() if f.kind == "other"]
    if others:
        yield f"Features that are no numbers, pictures or texts are not read: {', '.join(others)}."


def _recording(source: _Source, split: str, number: int, episode: Episode) -> Recording:
    builder, record = source.builder, episode.record
    content = f"{source.stamp}\0{record.length}\0{record.crc}\0{split}\0{number}"
    recording = Recording(
        name=f"{builder.name}-{split}_{number:06d}",
        path=builder.root,
        format="RLDS",
        views=(),
        task=episode.task,
        content=hashlib.sha256(content.encode()).hexdigest()[:16],
    )
    kept = source.kept.get((split, number))
    if kept is None:
        return _plain(recording, source, episode)
    name = kept.facts.name if source.own_names else recording.name
    views, signals = rebuild(kept.facts, _streams(builder, kept, episode), kept.read)
    return replace(
        recording,
        name=name,
        format="RLDS (scenekeeper)",
        views=views,
        signals=signals,
        task=kept.facts.task,
    )


# --- our own --------------------------------------------------------------------------------------


def _streams(builder: Builder, kept: Kept, episode: Episode) -> list[tuple[Images, Images | None]]:
    keys = kept.where["cameras"]
    if not isinstance(keys, list) or len(keys) != len(kept.facts.views):
        raise _unlike(builder, f"does not name the pictures of {len(kept.facts.views)} cameras")
    streams = []
    for pair, about in zip(keys, kept.facts.views, strict=True):
        if not isinstance(pair, list) or len(pair) != 2:
            raise _unlike(builder, f"names no pictures: {pair!r}")
        rgb = _images(builder, episode, pair[0], about.camera)
        depth = None
        if pair[1] is not None:
            depth = _images(builder, episode, pair[1], about.depth_camera or about.camera)
        streams.append((rgb, depth))
    return streams


def _images(builder: Builder, episode: Episode, key: Any, camera: Camera) -> Images:
    size = episode.sizes.get(key) if isinstance(key, str) else None
    if size is None or key not in episode.t_ns:
        raise _unlike(builder, f"names pictures {key!r}, which the episode does not have")
    if size != (camera.width, camera.height):
        raise _unlike(
            builder,
            f"camera {camera.name!r} is {camera.width}x{camera.height}, its pictures"
            f" {size[0]}x{size[1]}",
        )
    return episode.images(key)


def _unlike(builder: Builder, problem: str) -> RecordingError:
    remedy = f"Copy the folder again, or remove {sidecar.NAME} to read it as plain RLDS."
    return RecordingError(problem, path=builder.root / sidecar.NAME, remedy=remedy)


# --- other people's -------------------------------------------------------------------------------


def _plain(recording: Recording, source: _Source, episode: Episode) -> Recording:
    declared = source.builder.features.values()
    colors = [f for f in declared if f.kind == "color"]
    depths = [f for f in declared if f.kind == "depth"]
    here = [f for f in colors if f.key in episode.sizes]
    pairs = _depth_of(here, [f for f in depths if f.key in episode.sizes])
    names = _names(colors)
    views = tuple(_view(episode, f, names[f.key], pairs.get(f.key)) for f in here)
    used = {f.key for f in (*here, *pairs.values())}
    notes = [
        f"It has no pictures {f.key}." for f in (*colors, *depths) if f.key not in episode.sizes
    ]
    notes += [
        f"Depth {f.key} belongs to no camera by its name and is left out."
        for f in depths
        if f.key in episode.sizes and f.key not in used
    ]
    if any(depth.dtype == "uint16" for depth in pairs.values()) and not episode.t_ns:
        notes.append("RLDS does not say the unit of depth; 16-bit depth is read as millimetres.")
    clock = () if episode.t_ns else (_NO_CLOCK,)
    notes = [*clock, *notes, *source.unread]
    return replace(recording, views=views, signals=StepSignals(episode), notes=tuple(notes))


def _view(episode: Episode, color: Feature, name: str, depth: Feature | None) -> View:
    camera = Camera(name, *episode.sizes[color.key])
    rgb = episode.images(color.key)
    if depth is None:
        return View(camera, rgb)
    size = episode.sizes[depth.key]
    same = size == (camera.width, camera.height)
    return View(camera, rgb, episode.images(depth.key), None if same else Camera(depth.name, *size))


def _depth_of(colors: Sequence[Feature], depths: Sequence[Feature]) -> dict[str, Feature]:
    """Depth per colour key: of the same name but for words; or the only one for the only one."""
    if len(colors) == len(depths) == 1:
        return {colors[0].key: depths[0]}
    found: dict[str, Feature] = {}
    for depth in depths:
        keys = [c.key for c in colors if _bare(c.name) == _bare(depth.name)]
        if len(keys) == 1:
            found.setdefault(keys[0], depth)
    return found


def _bare(name: str) -> str:
    words = name.lower().replace("-", "_").split("_")
    return "_".join(word for word in words if word not in _WORDS)


def _names(colors: Sequence[Feature]) -> dict[str, str]:
    """The last part of each key; the whole key where that is not unique."""
    names = [f.name for f in colors]
    return {f.key: f.name if names.count(f.name) == 1 else f.key for f in colors}
