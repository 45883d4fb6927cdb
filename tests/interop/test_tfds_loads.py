"""TensorFlow Datasets loads what we write as RLDS, with TensorFlow's own readers.

The library lives in an environment of its own (1.8 GB):

    .ci/tfds-env tfds-env
    SCENEKEEPER_TFDS_PYTHON=tfds-env/bin/python pytest tests/interop/test_tfds_loads.py
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenekeeper.exchange.encoded import png
from scenekeeper.exchange.recording_rlds import write_recordings
from scenekeeper.recording import open_recordings
from scenekeeper.recording.base import Encoded, Images, Recording
from tests.exchange import made_recordings as made

pytestmark = pytest.mark.interop

LOAD = """
import json, sys
import numpy as np
import tensorflow_datasets as tfds

root, out = sys.argv[1:]
builder = tfds.builder_from_directory(root)
facts, arrays = {"name": builder.info.name, "episodes": []}, {}
facts["n"] = builder.info.splits["train"].num_examples
for number, episode in enumerate(builder.as_dataset(split="train")):
    steps = list(episode["steps"].as_numpy_iterator())
    for key, value in steps[0]["observation"].items():
        arrays[f"{number}/{key}"] = np.stack([step["observation"][key] for step in steps])
    for key in ("action", "is_first", "is_last", "is_terminal", "reward", "discount"):
        arrays[f"{number}/{key}"] = np.stack([step[key] for step in steps])
    for key in steps[0]["t_ns"]:
        arrays[f"{number}/t_ns/{key}"] = np.stack([step["t_ns"][key] for step in steps])
    metadata = episode["episode_metadata"]
    facts["episodes"].append({
        "texts": [step["language_instruction"].decode() for step in steps],
        "session": metadata["session"].numpy().decode(),
    })
np.savez(out, **arrays)
print(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def interpreter() -> str:
    """A Python that has TensorFlow Datasets."""
    found = os.environ.get("SCENEKEEPER_TFDS_PYTHON")
    if not found:
        pytest.skip("set SCENEKEEPER_TFDS_PYTHON to a Python that has tfds (recipe on top)")
    return str(Path(found).absolute())


def ask(interpreter: str, *arguments: Any) -> dict[str, Any]:
    """What the library says of a dataset."""
    done = subprocess.run(
        [interpreter, "-c", LOAD, *map(str, arguments)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts


def with_other_files(recording: Recording) -> Recording:
    """The recording with PNG files of the wrist, and with its depth in no whole millimetres."""
    head, wrist = recording.views
    arrays = wrist.rgb.source.arrays
    pictures = made.Stored(arrays, [Encoded(png(pixels), "png") for pixels in arrays])
    fine = made.Stored([a + np.float32(0.0003) * (a > 0) for a in wrist.depth.source.arrays])
    rgb, depth = Images(wrist.rgb.t_ns, pictures), Images(wrist.depth.t_ns, fine)
    return replace(recording, views=(head, replace(wrist, rgb=rgb, depth=depth)))


@pytest.fixture(scope="module")
def loaded(
    interpreter: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Recording], dict[str, Any], dict[str, np.ndarray]]:
    """What we read back, and what the library says, of two made recordings on one clock."""
    folder = tmp_path_factory.mktemp("tfds")
    before = [
        with_other_files(made.robot(n, name, True)) for n, name in ((6, "reach"), (4, "lift"))
    ]
    write_recordings(before, folder / "My runs")
    facts = ask(interpreter, folder / "My runs" / "1.0.0", folder / "seen.npz")
    with np.load(folder / "seen.npz") as arrays:
        return open_recordings(folder / "My runs"), facts, dict(arrays)


def stacked(images: Images) -> np.ndarray:
    return np.stack(list(images.source.read(range(len(images)))))


def test_every_episode_and_step_is_there(loaded: Any) -> None:
    _, facts, arrays = loaded
    assert (facts["name"], facts["n"]) == ("my_runs", 2)
    assert [e["session"] for e in facts["episodes"]] == ["reach", "lift"]
    assert [e["texts"] for e in facts["episodes"]] == [[made.TASK] * 6, [made.TASK] * 4]
    for number, n in enumerate((6, 4)):
        first, last = np.arange(n) == 0, np.arange(n) == n - 1
        assert arrays[f"{number}/is_first"].tolist() == first.tolist()
        for key in ("is_last", "is_terminal"):
            assert arrays[f"{number}/{key}"].tolist() == last.tolist()


def test_pictures_are_decoded_to_what_we_read(loaded: Any) -> None:
    recordings, _, arrays = loaded
    for number, recording in enumerate(recordings):
        head, wrist = (stacked(view.rgb) for view in recording.views)
        assert np.array_equal(arrays[f"{number}/wrist_rgb"], wrist)
        found = arrays[f"{number}/head"]
        assert found.dtype == np.uint8 and found.shape == head.shape
        assert np.abs(found.astype(int) - head).mean() < 1.5  # two JPEG decoders


def test_depth_is_whole_millimetres_or_exact_metres(loaded: Any) -> None:
    recordings, _, arrays = loaded
    for number, recording in enumerate(recordings):
        head, wrist = (stacked(view.depth) for view in recording.views)
        found = arrays[f"{number}/head_depth"]
        assert found.dtype == np.uint16
        assert np.array_equal(found[..., 0], np.rint(head * 1000))
        found = arrays[f"{number}/wrist_rgb_depth"]
        assert found.dtype == np.float32 and np.array_equal(found[..., 0], wrist)


def test_numbers_and_times_are_those_recorded(loaded: Any) -> None:
    recordings, _, arrays = loaded
    for number, recording in enumerate(recordings):
        assert np.array_equal(arrays[f"{number}/state"], recording.signals["joints"].values)
        assert np.array_equal(arrays[f"{number}/action"], recording.signals["command"].values)
        assert np.array_equal(arrays[f"{number}/t_ns/head"], recording.views[0].rgb.t_ns)
