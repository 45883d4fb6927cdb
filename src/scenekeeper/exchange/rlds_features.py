"""``features.json`` and ``dataset_info.json`` of an RLDS dataset, as TensorFlow Datasets has them.

In: the cameras and columns of an episode, the sizes of files. Out: JSON values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

VERSION = "1.0.0"
SPLIT = "train"
ROLE_KEYS: Mapping[str, str] = {"observation.state": "observation/state", "action": "action"}
"""Where a step has what a policy reads and writes."""

_MODULE = "tensorflow_datasets.core.features"

Node = dict[str, Any]


@dataclass(frozen=True)
class CameraFeature:
    """One camera as features of a step.

    Attributes:
        name: in the recordings.
        key, depth_key: of its pictures and depth below ``observation``.
        size, depth_size: ``(H, W)`` of both; ``None`` where there is no depth.
        in_metres: whether depth is kept as floats, not as 16-bit millimetres.
    """

    name: str
    key: str
    size: tuple[int, int]
    depth_key: str
    depth_size: tuple[int, int] | None
    in_metres: bool = False


def features(
    cameras: Sequence[CameraFeature],
    formats: Mapping[str, set[str]],
    columns: Mapping[str, Sequence[str]],
) -> Node:
    """The tree of features.

    Args:
        cameras: what is seen.
        formats: per camera, ``{"jpeg"}``, ``{"png"}`` or both.
        columns: per role, the names of its numbers.
    """
    observation: dict[str, Node] = {}
    times: dict[str, Node] = {}
    for camera in cameras:
        only_png = formats.get(camera.name) == {"png"}
        observation[camera.key] = _image(
            (*camera.size, 3), "uint8", "png" if only_png else "jpeg", f"Camera {camera.name}."
        )
        times[camera.key] = _scalar("int64")
        if camera.depth_size is not None:
            observation[camera.depth_key] = _depth(camera)
            times[camera.depth_key] = _scalar("int64")
    vectors = {
        ROLE_KEYS[role]: _tensor((len(names),), "float32", f"Columns: {', '.join(names)}.")
        for role, names in columns.items()
    }
    if "observation/state" in vectors:
        observation["state"] = vectors.pop("observation/state")
    step = {
        "observation": _dict(observation),
        **vectors,
        "reward": _scalar("float32"),
        "discount": _scalar("float32"),
        **{name: _scalar("bool") for name in ("is_first", "is_last", "is_terminal")},
        "language_instruction": _text(),
        "t_ns": _dict(times)
        | {"description": "Capture times in nanoseconds; the least int64 where there is none."},
    }
    steps = {
        "pythonClassName": f"{_MODULE}.dataset_feature.Dataset",
        "sequence": {"feature": _dict(step), "length": "-1"},
    }
    metadata = _dict({"file_path": _text(), "session": _text()})
    return _dict({"steps": steps, "episode_metadata": metadata})


def dataset_info(name: str, lengths: Sequence[int], size: int) -> Node:
    """What the dataset is.

    Args:
        name: of the dataset.
        lengths: episodes in each file.
        size: bytes of all episodes.
    """
    split = {
        "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
        "name": SPLIT,
        "numBytes": str(size),
        "shardLengths": [str(n) for n in lengths],
    }
    return {
        "description": "Robot recordings, written by Scenekeeper; calibrations, poses and signals"
        " at their own rates are in scenekeeper.json and signals.parquet.",
        "fileFormat": "tfrecord",
        "name": name,
        "splits": [split],
        "version": VERSION,
    }


def _depth(camera: CameraFeature) -> Node:
    assert camera.depth_size is not None
    shape = (*camera.depth_size, 1)
    whose = f"Depth of camera {camera.name} in"
    if camera.in_metres:
        return _tensor(shape, "float32", f"{whose} metres; 0 is unknown.", "zlib")
    return _image(shape, "uint16", "png", f"{whose} millimetres; 0 is unknown.")


def _dict(children: Mapping[str, Node]) -> Node:
    return {
        "pythonClassName": f"{_MODULE}.features_dict.FeaturesDict",
        "featuresDict": {"features": dict(children)},
    }


def _image(shape: Sequence[int], dtype: str, format: str, description: str) -> Node:
    about = {"shape": _shape(shape), "dtype": dtype, "encodingFormat": format}
    name = f"{_MODULE}.image_feature.Image"
    return {"pythonClassName": name, "image": about, "description": description}


def _tensor(shape: Sequence[int], dtype: str, description: str, encoding: str = "none") -> Node:
    about = {"shape": _shape(shape), "dtype": dtype, "encoding": encoding}
    name = f"{_MODULE}.tensor_feature.Tensor"
    return {"pythonClassName": name, "tensor": about, "description": description}


def _scalar(dtype: str) -> Node:
    about = {"shape": {}, "dtype": dtype, "encoding": "none"}
    return {"pythonClassName": f"{_MODULE}.scalar.Scalar", "tensor": about}


def _text() -> Node:
    return {"pythonClassName": f"{_MODULE}.text_feature.Text", "text": {}}


def _shape(shape: Sequence[int]) -> Node:
    return {"dimensions": [str(side) for side in shape]}
