"""LeRobot's own library loads what we export, labels included.

The library lives in an environment of its own, because it pins half of the machine-learning world:

    .ci/lerobot-env lerobot-env
    SCENEKEEPER_LEROBOT_PYTHON=lerobot-env/bin/python pytest tests/interop

Where torchvision cannot be imported the test stands in a stub for it, and decodes the video itself
by the rule of LeRobot's default decoder: picture ``round(time * average_fps)``, whose own time must
be within the dataset's tolerance. All else (reading the tables, indexing, tasks, time windows,
statistics, collation, policy features) is LeRobot's own code, offline.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from scenekeeper.exchange import export, pictures
from tests import robot_sessions as robot

pytestmark = pytest.mark.interop

FRONT = "observation.images.front_image"

LOAD = """
import importlib.machinery, importlib.util, json, sys, types


def anything(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (), {})


if importlib.util.find_spec("torchvision") is None:
    root = "torchvision"
    for name in (root, f"{root}.transforms", f"{root}.transforms.v2"):
        stub = sys.modules[name] = types.ModuleType(name)
        stub.__spec__ = importlib.machinery.ModuleSpec(name, None)
        stub.__getattr__, stub.__path__ = anything, []
    sys.modules[root].transforms = sys.modules[f"{root}.transforms"]
    sys.modules[f"{root}.transforms"].v2 = sys.modules[f"{root}.transforms.v2"]
    functional = sys.modules[f"{root}.transforms.v2.functional"] = types.ModuleType("functional")
    functional.__getattr__ = anything
import av, torch
import lerobot.datasets.lerobot_dataset as library
from lerobot.datasets.utils import dataset_to_policy_features


def decode(path, timestamps, tolerance_s, backend=None):
    with av.open(str(path)) as container:
        fps = float(container.streams.video[0].average_rate)
        frames = list(container.decode(video=0))
    chosen = [frames[round(t * fps)] for t in timestamps]
    for t, frame in zip(timestamps, chosen):
        assert abs(float(frame.pts * frame.time_base) - t) < tolerance_s, (t, frame)
    pixels = [torch.from_numpy(f.to_ndarray(format="rgb24")) for f in chosen]
    return torch.stack(pixels).permute(0, 3, 1, 2).float() / 255


library.decode_video_frames = decode
root, front = sys.argv[1:]
dataset = library.LeRobotDataset("local/made", root=root)
assert dataset.meta.robot_type is None
items = [dataset[k] for k in range(len(dataset))]
loader = torch.utils.data.DataLoader(dataset, batch_size=8)
batches = list(loader)
windows = library.LeRobotDataset(
    "local/made", root=root, delta_timestamps={front: [-1 / 30, 0.0], "action": [0.0, 1 / 30]}
)
features = dataset_to_policy_features(dataset.meta.features)
only_second = library.LeRobotDataset("local/made", root=root, episodes=[1])
print(json.dumps({
    "length": len(dataset),
    "keys": sorted(items[0]),
    "tasks": [item["task"] for item in items],
    "levels": [float(item[front].mean() * 255) for item in items],
    "shape": list(items[0][front].shape),
    "state": items[3]["observation.state"].tolist(),
    "objects": [item["label.objects_json"] for item in items],
    "captions": [item["label.caption"] for item in items],
    "states": [int(item["label.review_state"]) for item in items],
    "batched": {k: list(v.shape) if hasattr(v, "shape") else len(v) for k, v in batches[0].items()},
    "batches": len(batches),
    "window": [list(windows[21][k].shape) for k in (front, "action")],
    "window_levels": (windows[21][front].mean(dim=(1, 2, 3)) * 255).tolist(),
    "policy": {k: [f.type.value, list(f.shape)] for k, f in features.items()},
    "stats": {k: list(s["q99"].shape) for k, s in dataset.meta.stats.items()},
    "second": [len(only_second), only_second[0]["task"]],
}))
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What LeRobot says of an export of two made sessions."""
    interpreter = os.environ.get("SCENEKEEPER_LEROBOT_PYTHON")
    if not interpreter:
        pytest.skip("set SCENEKEEPER_LEROBOT_PYTHON to a Python that has lerobot (recipe on top)")
    folder = tmp_path_factory.mktemp("lerobot")
    dataset, made = robot.make(folder / "robot.sk")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "reopen", lambda source, name, *_: made[name])
        export(dataset, "lerobot", folder / "out", ["reach", "lift"])
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "cache")}
    done = subprocess.run(
        [str(Path(interpreter).absolute()), "-c", LOAD, str(folder / "out"), FRONT],
        env={**os.environ, **offline},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts


def test_every_frame_of_both_episodes_is_there(loaded: dict[str, Any]) -> None:
    assert loaded["length"] == 32
    assert loaded["tasks"] == ["Reach for the mug."] * 20 + ["Lift the mug."] * 12
    assert loaded["second"] == [12, "Lift the mug."]


def test_every_frame_shows_its_own_picture(loaded: dict[str, Any]) -> None:
    expected = [robot.gray(row) for row in [*range(20), *range(12)]]
    assert loaded["levels"] == pytest.approx(expected, abs=3)
    assert loaded["shape"] == [3, 48, 64]


def test_windows_in_time_stay_inside_their_episode(loaded: dict[str, Any]) -> None:
    assert loaded["window"] == [[2, 3, 48, 64], [2, 2]]
    assert loaded["window_levels"] == pytest.approx([robot.gray(0), robot.gray(1)], abs=3)


def test_items_hold_numbers_and_labels(loaded: dict[str, Any]) -> None:
    assert loaded["state"] == pytest.approx([5, 5.1, 5.2, 1])
    assert {key for key in loaded["keys"] if key.startswith("label.")} == {
        "label.caption",
        "label.num_objects",
        "label.objects_json",
        "label.review_state",
    }
    assert [json.loads(text)[0]["label"] for text in loaded["objects"][:5]] == ["mug"] * 5
    assert loaded["captions"][:2] == ["a mug on a table", ""]
    assert set(loaded["states"]) == {1}


def test_the_plain_data_loader_batches_labels_too(loaded: dict[str, Any]) -> None:
    assert loaded["batches"] == 4
    assert loaded["batched"]["label.objects_json"] == 8
    assert loaded["batched"]["label.num_objects"] == [8]
    assert loaded["batched"][FRONT] == [8, 3, 48, 64]


def test_labels_are_no_input_of_a_policy(loaded: dict[str, Any]) -> None:
    assert loaded["policy"] == {
        FRONT: ["VISUAL", [3, 48, 64]],
        "observation.images.wrist": ["VISUAL", [3, 26, 32]],
        "observation.state": ["STATE", [4]],
        "action": ["ACTION", [2]],
    }


def test_statistics_have_the_shapes_that_normalisation_needs(loaded: dict[str, Any]) -> None:
    assert loaded["stats"][FRONT] == [3, 1, 1]
    assert loaded["stats"]["observation.state"] == [4]
    assert loaded["stats"]["label.num_objects"] == [1]
