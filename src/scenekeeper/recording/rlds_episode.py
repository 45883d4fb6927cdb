"""One episode of an RLDS dataset: what opening looks at, and its pictures and numbers.

In: a record, and the features that its steps have. Out: an :class:`Episode`; opening one reads its
flags, texts and times, not its pictures. The rest is read, with its checksum, when it is asked for.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from scenekeeper.errors import RecordingError
from scenekeeper.recording import tfexample, tfrecord
from scenekeeper.recording.base import Encoded, Images, Signal, SignalKind
from scenekeeper.recording.color_codecs import decode_color, picture_size, stored_file
from scenekeeper.recording.depth_codecs import check_size, metres, png16
from scenekeeper.recording.messages import Picture
from scenekeeper.recording.rlds_meta import STEPS, Feature
from scenekeeper.recording.tfrecord import Record

TIMES = "t_ns/"
"""Where our own datasets keep times, ``int64`` nanoseconds: below it, a picture's name."""

NOTHING = np.iinfo(np.int64).min
"""The time of a picture that is not there."""

PERIOD_NS = 100_000_000
"""Between steps where no times are kept; RLDS has no clock."""

PICTURES = frozenset({"color", "depth"})
FLAGS = frozenset({"is_first", "is_last", "is_terminal"})
_INSTRUCTIONS = ("language_instruction", "natural_language_instruction")
_JOINTS = frozenset({"observation/state", "observation/proprio", "observation/joint_position"})

Example = Mapping[str, tfexample.Values]
Features = Mapping[str, Feature]


@dataclass(frozen=True, eq=False)
class Episode:
    """One episode, opened but not read.

    Attributes:
        record: where it lies.
        features: what its steps have, those that are in the record.
        load: gives what a record holds.
        n: number of its steps.
        task: the instruction; several are joined.
        t_ns: times ``int64 [n]`` of pictures, by their key, where they are kept.
        sizes: per key of the pictures that are there, ``(width, height)``.
    """

    record: Record
    features: Features
    load: Callable[[Record], Example]
    n: int
    task: str | None
    t_ns: Mapping[str, NDArray[np.int64]]
    sizes: Mapping[str, tuple[int, int]]

    def values(self, key: str) -> tfexample.Values:
        """All steps' values of a feature, one after the other.

        Raises:
            RecordingError: the record is damaged, or does not have them.
        """
        found = self.load(self.record).get(f"{STEPS}/{key}")
        if found is None:
            raise RecordingError(f"has no {key}", path=self.record.path, place=self.record.place)
        width = 1 if isinstance(found, list) else self.features[key].width or 1
        if len(found) != self.n * width:
            raise RecordingError(
                f"{len(found)} values of {key} for {self.n} steps of {width}",
                path=self.record.path,
                place=self.record.place,
            )
        return found

    def images(self, key: str) -> Images:
        """The pictures of a feature, each once, at their times.

        Raises:
            RecordingError: their times do not ascend.
        """
        steps, t_ns = np.arange(self.n), np.arange(self.n) * PERIOD_NS
        if key in self.t_ns:
            steps, t_ns = _distinct(self.t_ns[key])
        if (np.diff(t_ns) <= 0).any():
            raise RecordingError(
                f"the times of {key} do not ascend",
                path=self.record.path,
                place=self.record.place,
            )
        return Images(t_ns.astype(np.int64), StepPictures(self, key, steps))


def load(record: Record) -> Example:
    """What a record holds, checked.

    Raises:
        RecordingError: it is damaged.
    """
    with _naming(record):
        return tfexample.decode(tfrecord.read(record))


def look(
    file: BinaryIO, record: Record, features: Features, load: Callable[[Record], Example]
) -> Episode:
    """Open an episode.

    Args:
        file: the open file of the record.
        record: where it lies.
        features: what its steps have.
        load: gives what a record holds, later.

    Raises:
        RecordingError: it is damaged.
    """
    data = tfrecord.Window(file, record)
    with _naming(record):
        spans = tfexample.spans(data, record.length)
        found = {key: spans[name] for key in features if (name := f"{STEPS}/{key}") in spans}
        n = _steps(data, found, features)
        return Episode(
            record,
            {key: feature for key, feature in features.items() if key in found},
            load,
            n,
            _task(data, found),
            _times(data, found, features, n),
            dict(_sizes(data, found, features)),
        )


@contextmanager
def _naming(record: Record) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise RecordingError(
            f"it is no tf.train.Example ({error})",
            path=record.path,
            place=record.place,
            remedy="Copy the file again.",
        ) from error


def _steps(data: tfrecord.Window, found: Mapping[str, tfexample.Span], features: Features) -> int:
    """How many steps there are, by the least that says so."""
    cost = {"numbers": 0, "text": 1, "color": 2}
    keys = [key for key in found if features[key].kind in cost]
    keys.sort(key=lambda k: (k not in FLAGS, cost[features[k].kind], features[k].width or 0))
    if not keys:
        raise ValueError("it has no steps")
    values = tfexample.values(data, found[keys[0]])
    width = 1 if isinstance(values, list) else features[keys[0]].width or 1
    if not len(values) or len(values) % width:
        raise ValueError(f"{len(values)} values of {keys[0]} make no steps of {width}")
    return len(values) // width


def _task(data: tfrecord.Window, found: Mapping[str, tfexample.Span]) -> str | None:
    for key, span in found.items():
        if key.rpartition("/")[2] in _INSTRUCTIONS:
            texts = tfexample.values(data, span)
            said = dict.fromkeys(t.decode(errors="replace") for t in texts if isinstance(t, bytes))
            if task := "; ".join(text for text in said if text):
                return task
    return None


def _times(
    data: tfrecord.Window, found: Mapping[str, tfexample.Span], features: Features, n: int
) -> dict[str, NDArray[np.int64]]:
    times = {}
    for key in found:
        span = found.get(TIMES + features[key].name)
        if span is None or features[key].kind not in PICTURES:
            continue
        t_ns = tfexample.values(data, span)
        if isinstance(t_ns, list) or t_ns.dtype != np.int64 or len(t_ns) != n:
            raise ValueError(f"the times of {key} are not one per step")
        times[key] = t_ns.astype(np.int64)
    return times


def _sizes(
    data: tfrecord.Window, found: Mapping[str, tfexample.Span], features: Features
) -> Iterator[tuple[str, tuple[int, int]]]:
    for key, (start, stop) in found.items():
        if features[key].kind not in PICTURES or start == stop:
            continue
        size = features[key].size
        if size is None:
            size = picture_size(_file(tfexample.first_bytes(data, (start, stop))))
        check_size(*size)
        yield key, size


def _distinct(t_ns: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Steps with a picture that the step before does not have, and its time."""
    steps = np.flatnonzero(t_ns != NOTHING)
    known = t_ns[steps]
    new = np.ones(len(known), bool)
    new[1:] = known[1:] != known[:-1]
    return steps[new], known[new]


# --- pictures -------------------------------------------------------------------------------------


class StepPictures:
    """Lazy pictures at steps of an episode; an :class:`~scenekeeper.recording.base.ImageSource`.

    Args:
        episode: whose.
        key: of the feature.
        steps: ``int64 [N]`` ascending steps that the pictures stand at.
    """

    def __init__(self, episode: Episode, key: str, steps: NDArray[np.int64]) -> None:
        self._episode = episode
        self._feature = episode.features[key]
        self._steps = steps

    def __len__(self) -> int:
        return len(self._steps)

    def read(self, rows: Sequence[int]) -> Iterator[NDArray[Any]]:
        """Pictures at the given rows, one at a time; see ``ImageSource``."""
        for row in rows:
            try:
                picture = _pixels(self._feature, self._stored(row), self._size)
            except ValueError as error:
                raise self._error(row, f"the picture cannot be read ({error})") from error
            if picture.shape[1::-1] != self._size:
                height, width = picture.shape[:2]
                wide, high = self._size
                raise self._error(row, f"the picture is {width}x{height}, not {wide}x{high}")
            yield picture

    def encoded(self, row: int) -> Encoded | None:
        """The stored JPEG or PNG file; ``None`` for tensors."""
        stored = self._stored(row)
        if not isinstance(stored, bytes) or self._feature.dtype == "float32":
            return None
        return stored_file(_file(stored))

    @property
    def _size(self) -> tuple[int, int]:
        return self._episode.sizes[self._feature.key]

    def _stored(self, row: int) -> bytes | NDArray[Any]:
        step = int(self._steps[row])
        values = self._episode.values(self._feature.key)
        if isinstance(values, list):
            return values[step]
        width = self._feature.width or 1
        return values[step * width : (step + 1) * width]

    def _error(self, row: int, problem: str) -> RecordingError:
        record = self._episode.record
        place = f"{record.place}, {self._feature.key}, step {self._steps[row]}"
        return RecordingError(problem, path=record.path, place=place)


def _pixels(feature: Feature, stored: bytes | NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    if feature.dtype == "float32":
        return _metres(feature, stored, size)
    if not isinstance(stored, bytes):
        raise ValueError("there are numbers in its place")
    return decode_color(_file(stored)) if feature.kind == "color" else metres(png16(stored))


def _metres(
    feature: Feature, stored: bytes | NDArray[Any], size: tuple[int, int]
) -> NDArray[np.float32]:
    """Depth kept as floats, ``float32 [H, W]``."""
    wanted = 4 * size[0] * size[1]
    if isinstance(stored, bytes) and feature.encoding == "zlib":
        try:
            stored = zlib.decompressobj().decompress(stored, wanted + 1)
        except zlib.error as error:
            raise ValueError(error) from error
    data = stored if isinstance(stored, bytes) else stored.astype("<f4").tobytes()
    if len(data) != wanted:
        raise ValueError(f"{len(data)} bytes for {size[0]}x{size[1]} floats")
    depth = np.frombuffer(data, "<f4").astype(np.float32).reshape(size[1], size[0])
    return np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(0))


def _file(data: bytes) -> Picture:
    return Picture(0, "", "compressed", "", data)


# --- numbers --------------------------------------------------------------------------------------


class StepSignals(Mapping[str, Signal]):
    """The numbers of an episode's steps by key, each read when it is asked for.

    Looking one up raises ``RecordingError`` when the record is damaged.
    """

    def __init__(self, episode: Episode) -> None:
        self._episode = episode
        self._keys = [
            key
            for key, feature in episode.features.items()
            if feature.kind == "numbers" and key not in FLAGS and not key.startswith(TIMES)
        ]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __getitem__(self, key: str) -> Signal:
        if key not in self._keys:
            raise KeyError(key)
        episode, width = self._episode, self._episode.features[key].width or 1
        values = episode.values(key)
        if isinstance(values, list):
            raise RecordingError(
                f"{key} holds no numbers", path=episode.record.path, place=episode.record.place
            )
        names = (key,) if width == 1 else tuple(f"{key}.{k}" for k in range(width))
        with np.errstate(invalid="ignore"):  # of a signalling NaN
            rows = values.astype(np.float64).reshape(episode.n, width)
        return Signal(key, _kind(key), self._t_ns(), rows, names)

    def _t_ns(self) -> NDArray[np.int64]:
        episode = self._episode
        kept = max(episode.t_ns.values(), key=lambda t: len(np.unique(t)), default=None)
        if kept is None or (np.diff(kept) < 0).any() or (kept == NOTHING).any():
            return np.arange(episode.n, dtype=np.int64) * PERIOD_NS
        return kept


def _kind(key: str) -> SignalKind:
    if key.partition("/")[0] == "action":
        return "action"
    return "joint_state" if key in _JOINTS else "other"
