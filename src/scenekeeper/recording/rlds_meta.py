"""What an RLDS dataset says about itself: the features of its steps, and where its episodes lie.

In: a folder as TensorFlow Datasets writes it: ``features.json``, ``dataset_info.json``, TFRecord
files. Out: a :class:`Builder`. No TFRecord file is opened here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from scenekeeper.errors import RecordingError

FEATURES = "features.json"
INFO = "dataset_info.json"
STEPS = "steps"

_SHARD = re.compile(r"(?P<name>.+)-(?P<split>[^-]+)\.tfrecord-(?P<k>\d{1,9})-of-(?P<of>\d{1,9})")
_VERSION = re.compile(r"\d+(\.\d+)*")
_MAX_SHARDS = 1 << 20
_MAX_SIDE = 1 << 16
_JSON_ERRORS = (OSError, ValueError, RecursionError)

_NUMBERS = re.compile(r"bool|u?int(8|16|32|64)|b?float(16|32|64)")
_WIDEST = 1 << 12
"""Numbers a step beyond which a tensor is no signal."""

Kind = Literal["color", "depth", "text", "numbers", "other"]


@dataclass(frozen=True)
class Feature:
    """One declared value of every step.

    Attributes:
        key: path below ``steps``, e.g. ``"observation/image"``.
        kind: what it is; ``"other"`` is what is not read.
        dtype: a NumPy name; depth is PNG files of ``"uint16"`` or ``"float32"`` tensors.
        shape: of one step's value; ``None`` where a side is not fixed.
        encoding: how tensors are stored: ``"none"``, ``"bytes"`` or ``"zlib"``.
    """

    key: str
    kind: Kind
    dtype: str = ""
    shape: tuple[int | None, ...] = ()
    encoding: str = "none"

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]

    @property
    def width(self) -> int | None:
        """How many numbers one step's value has; ``None`` when that is not fixed."""
        return None if None in self.shape else math.prod(side or 0 for side in self.shape)

    @property
    def size(self) -> tuple[int, int] | None:
        """``(width, height)`` of pictures; ``None`` where that is not fixed."""
        height, width = (*self.shape, None, None)[:2]
        return None if height is None or width is None else (width, height)


@dataclass(frozen=True)
class Shard:
    """One TFRecord file: which of how many of its split."""

    path: Path
    split: str
    number: int
    of: int


@dataclass(frozen=True)
class Builder:
    """One version of one dataset, described.

    Attributes:
        root: its folder.
        name: its name.
        features: what every step holds, by key.
        shards: its files that are there, by split and number.
        lengths: per split, how many episodes each of its files should hold, if that is stated.
        notes: what the user should know, one sentence each.
    """

    root: Path
    name: str
    features: Mapping[str, Feature]
    shards: tuple[Shard, ...]
    lengths: Mapping[str, tuple[int, ...]]
    notes: tuple[str, ...]


def find(path: Path) -> list[Path]:
    """The folders of datasets at a path or in it, the newest version of each.

    Args:
        path: a version's folder, that of its dataset, or one that holds such.
    """
    if (path / FEATURES).is_file():
        return [path]
    found: dict[Path, Path] = {}
    for pattern in (f"*/{FEATURES}", f"*/*/{FEATURES}"):
        for folder in sorted((file.parent for file in path.glob(pattern)), key=_version):
            found[folder.parent if _VERSION.fullmatch(folder.name) else folder] = folder
    return sorted(found.values())


def read_builder(folder: Path) -> Builder | None:
    """What a folder says of itself; ``None`` when it is no dataset of TensorFlow Datasets.

    Raises:
        RecordingError: it is, but damaged, or holds no episodes, or not as TFRecord.
    """
    top = _json(folder / FEATURES)
    if not isinstance(top, dict) or "featuresDict" not in top or "pythonClassName" not in top:
        return None
    info = _json(folder / INFO) if (folder / INFO).exists() else {}
    info = info if isinstance(info, dict) else {}
    stored = info.get("fileFormat", "tfrecord")
    if stored != "tfrecord":
        raise RecordingError(
            f"its files are {stored!r}", path=folder / INFO, remedy="Convert them to TFRecord."
        )
    shards = tuple(_shards(folder))
    lengths = _lengths(info)
    return Builder(
        folder,
        _name(folder, info, shards),
        _step_features(folder / FEATURES, top),
        shards,
        lengths,
        tuple(_missing(shards, lengths)),
    )


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except _JSON_ERRORS as error:
        raise RecordingError(
            f"cannot be read ({error})", path=path, remedy="Copy the file again."
        ) from error


def _name(folder: Path, info: Mapping[str, Any], shards: tuple[Shard, ...]) -> str:
    if isinstance(name := info.get("name"), str) and name:
        return name
    match = _SHARD.fullmatch(shards[0].path.name) if shards else None
    return match["name"] if match else folder.resolve().parent.name


def _version(folder: Path) -> tuple[int, ...]:
    parts = folder.name.split(".") if _VERSION.fullmatch(folder.name) else []
    return tuple(int(part[:9]) for part in parts)


# --- features -------------------------------------------------------------------------------------


def _step_features(path: Path, top: Mapping[str, Any]) -> dict[str, Feature]:
    try:
        steps = top["featuresDict"]["features"][STEPS]["sequence"]["feature"]
        return {feature.key: feature for feature in _flat(steps, "")}
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise RecordingError(
            f"declares no steps as RLDS does ({error!r})",
            path=path,
            remedy="Only datasets of episodes, each of steps, are recordings.",
        ) from error


def _flat(node: Mapping[str, Any], key: str) -> Iterator[Feature]:
    """The leaves of a tree of features; TensorFlow Datasets joins their names with slashes."""
    if "featuresDict" in node:
        for name, child in node["featuresDict"]["features"].items():
            yield from _flat(child, f"{key}/{name}" if key else name)
        return
    name = node["pythonClassName"].rpartition(".")[2]
    about = node.get("image" if name == "Image" else "tensor", {})
    shape = tuple(map(_side, about.get("shape", {}).get("dimensions", [])))
    dtype, encoding = str(about.get("dtype") or "uint8"), str(about.get("encoding") or "none")
    feature = Feature(key, "other", dtype, shape, encoding)
    yield replace(feature, kind=_kind(name, feature))


def _kind(class_name: str, feature: Feature) -> Kind:
    grey = len(feature.shape) == 2 or feature.shape[2:] == (1,)
    if class_name == "Text":
        return "text"
    if class_name == "Image" and feature.dtype == "uint8":
        return "color"
    if class_name == "Image":
        return "depth" if feature.dtype == "uint16" and grey else "other"
    if class_name not in ("Tensor", "Scalar") or feature.width is None:
        return "other"
    if feature.dtype == "float32" and grey and "depth" in feature.name.lower():
        return "depth" if feature.encoding in ("none", "bytes", "zlib") else "other"
    plain = _NUMBERS.fullmatch(feature.dtype) and feature.encoding == "none"
    return "numbers" if plain and 0 < feature.width <= _WIDEST else "other"


def _side(text: Any) -> int | None:
    side = int(text)
    if side >= _MAX_SIDE:
        raise ValueError(f"a side of {side}")
    return None if side < 0 else side


# --- files ----------------------------------------------------------------------------------------


def _shards(folder: Path) -> list[Shard]:
    found = []
    for file in folder.iterdir():
        match = _SHARD.fullmatch(file.name)
        if match and file.is_file():
            found.append(Shard(file, match["split"], int(match["k"]), int(match["of"])))
    return sorted(found, key=lambda shard: (shard.split, shard.number, shard.of))


def _lengths(info: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Stated numbers of episodes; what is no number is not stated."""
    lengths = {}
    splits = info.get("splits")
    for split in splits if isinstance(splits, list) else []:
        try:
            stated = tuple(int(n) for n in split["shardLengths"])
            if all(0 <= n < 1 << 40 for n in stated):
                lengths[str(split["name"])] = stated
        except (KeyError, TypeError, ValueError):
            continue
    return lengths


def _missing(shards: tuple[Shard, ...], lengths: Mapping[str, tuple[int, ...]]) -> Iterator[str]:
    for split in sorted({*lengths, *(shard.split for shard in shards)}):
        here = {shard.number for shard in shards if shard.split == split}
        of = max([len(lengths.get(split, ())), *(s.of for s in shards if s.split == split)])
        lost = min(of, _MAX_SHARDS) - len(here)
        if lost > 0:
            first = next(k for k in range(of) if k not in here)
            yield f"Split {split!r}: {lost} of {of} files are not here, from number {first} on."
