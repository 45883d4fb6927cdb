"""Tiny RLDS datasets, as TensorFlow Datasets writes them, whose numbers tell episode and step."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
from PIL import Image

from scenekeeper.recording import tfexample, tfrecord

HEIGHT, WIDTH = 12, 16
TASK = "put the cup away"
_MODULE = "tensorflow_datasets.core.features."

Example = dict[str, Any]


def number(episode: int, step: int) -> int:
    return 20 * episode + step


def jpeg(level: int, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    pixels = np.full((height, width, 3), level, np.uint8)
    return simplejpeg.encode_jpeg(pixels, 95, colorspace="RGB")


def png16(level: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((HEIGHT, WIDTH), level, np.uint16)).save(buffer, "png")
    return buffer.getvalue()


def image(*shape: int, dtype: str = "uint8", format: str = "jpeg") -> Example:
    about = {"shape": dimensions(shape), "dtype": dtype, "encodingFormat": format}
    return {"pythonClassName": _MODULE + "image_feature.Image", "image": about}


def tensor(dtype: str, *shape: int, encoding: str = "none") -> Example:
    name = "tensor_feature.Tensor" if shape else "scalar.Scalar"
    about = {"shape": dimensions(shape), "dtype": dtype, "encoding": encoding}
    return {"pythonClassName": _MODULE + name, "tensor": about}


def dimensions(shape: Sequence[int]) -> Example:
    return {"dimensions": [str(side) for side in shape]} if shape else {}


def text() -> Example:
    return {"pythonClassName": _MODULE + "text_feature.Text", "text": {}}


def of(**children: Example) -> Example:
    return {
        "pythonClassName": _MODULE + "features_dict.FeaturesDict",
        "featuresDict": {"features": children},
    }


def sequence(child: Example, name: str = "dataset_feature.Dataset") -> Example:
    return {"pythonClassName": _MODULE + name, "sequence": {"feature": child, "length": "-1"}}


def step_features(**more: Example) -> Example:
    observation = of(image=image(HEIGHT, WIDTH, 3), state=tensor("float32", 2))
    flags = {name: tensor("bool") for name in ("is_first", "is_last", "is_terminal")}
    action = tensor("float32", 3)
    steps = {"observation": observation, "action": action, "language_instruction": text()}
    return {**steps, **flags, **more}


def example(episode: int, n: int) -> Example:
    """One episode as its message holds it."""
    at = [number(episode, step) for step in range(n)]
    flags = np.zeros((2, n), np.int64)
    flags[0, 0] = flags[1, -1] = 1
    return {
        "steps/observation/image": [jpeg(k) for k in at],
        "steps/observation/state": np.array([(k, -k) for k in at], np.float32).ravel(),
        "steps/action": np.array([(k, 0, 1) for k in at], np.float32).ravel(),
        "steps/language_instruction": [TASK.encode()] * n,
        "steps/is_first": flags[0],
        "steps/is_last": flags[1],
        "steps/is_terminal": flags[1],
        "episode_metadata/file_path": [b"somewhere"],
    }


def write(
    folder: Path,
    lengths: Sequence[Sequence[int]] = ((3, 2),),
    steps: Mapping[str, Example] | None = None,
    change: Callable[[Example, int], None] = lambda message, n: None,
) -> Path:
    """A dataset ``cups`` with episodes of so many steps, a file per sequence of them."""
    folder.mkdir(parents=True)
    episode = 0
    for k, some in enumerate(lengths):
        name = f"cups-train.tfrecord-{k:05d}-of-{len(lengths):05d}"
        with (folder / name).open("wb") as file:
            for n in some:
                message = example(episode, n)
                change(message, n)
                tfrecord.write(file, tfexample.encode(message))
                episode += 1
    top = of(
        steps=sequence(of(**(steps or step_features()))), episode_metadata=of(file_path=text())
    )
    (folder / "features.json").write_text(json.dumps(top))
    split = {"name": "train", "shardLengths": [str(len(some)) for some in lengths]}
    info = {"name": "cups", "version": "1.0.0", "fileFormat": "tfrecord", "splits": [split]}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    return folder
