"""LeRobot's own library loads what we export, labels included.

The library lives in an environment of its own, because it pins half of the machine-learning world:

    .ci/lerobot-env lerobot-env
    SCENEKEEPER_LEROBOT_PYTHON=lerobot-env/bin/python pytest tests/interop

Where torchvision is not installed the test stands in a stub for it, and decodes the video itself
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

import numpy as np
import pyarrow.parquet as pq
import pytest

from scenekeeper import labeling
from scenekeeper.exchange import export, pictures
from scenekeeper.exchange.recording_lerobot import write_recordings
from scenekeeper.recording import open_recordings
from scenekeeper.simulate import write_tabletop
from scenekeeper.store import open_dataset
from tests import robot_sessions as robot
from tests.exchange import made_recordings

pytestmark = pytest.mark.interop

FRONT = "observation.images.front_image"

LIBRARY = """
import importlib.machinery, importlib.util, json, sys, types
import numpy as np


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
        wanted = [round(t * fps) for t in timestamps]
        frames = dict(zip(range(max(wanted) + 1), container.decode(video=0)))
    chosen = [frames[k] for k in wanted]
    for t, frame in zip(timestamps, chosen):
        assert abs(float(frame.pts * frame.time_base) - t) < tolerance_s, (t, frame)
    pixels = [torch.from_numpy(f.to_ndarray(format="rgb24")) for f in chosen]
    return torch.stack(pixels).permute(0, 3, 1, 2).float() / 255


library.decode_video_frames = decode
"""
"""Imports LeRobot; the part of every script here."""

LOAD = """
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


LOOK = """
root, out, *rows = sys.argv[1:]
dataset = library.LeRobotDataset("local/real", root=root)
items = [dataset[int(row)] for row in rows]
batch = next(iter(torch.utils.data.DataLoader(dataset, batch_size=2)))
features = dataset_to_policy_features(dataset.meta.features)
(camera,) = dataset.meta.camera_keys
pictures = np.stack([(item[camera] * 255).round().byte().numpy() for item in items])
np.save(out, pictures.transpose(0, 2, 3, 1))
print(json.dumps({
    "length": len(dataset),
    "episodes": dataset.meta.total_episodes,
    "tasks": [item["task"] for item in items],
    "state": [item["observation.state"].tolist() for item in items if "observation.state" in item],
    "objects": [json.loads(item["label.objects_json"]) for item in items],
    "counts": [int(item["label.num_objects"]) for item in items],
    "batched": list(batch[camera].shape),
    "policy": sorted(features),
}))
"""


PLAIN = """
root, out, front = sys.argv[1:]
dataset = library.LeRobotDataset("local/plain", root=root)
items = [dataset[k] for k in range(len(dataset))]
pictures = np.stack([(item[front] * 255).round().byte().numpy() for item in items])
np.save(out, pictures.transpose(0, 2, 3, 1))
batch = next(iter(torch.utils.data.DataLoader(dataset, batch_size=4)))
only_second = library.LeRobotDataset("local/plain", root=root, episodes=[1])
print(json.dumps({
    "episodes": dataset.meta.total_episodes,
    "tasks": [item["task"] for item in items],
    "numbers": {k: [i[k].tolist() for i in items] for k in ("observation.state", "action")},
    "batched": list(batch[front].shape),
    "policy": sorted(dataset_to_policy_features(dataset.meta.features)),
    "second": len(only_second),
}))
"""


@pytest.fixture(scope="module")
def interpreter() -> str:
    """A Python that has LeRobot."""
    found = os.environ.get("SCENEKEEPER_LEROBOT_PYTHON")
    if not found:
        pytest.skip("set SCENEKEEPER_LEROBOT_PYTHON to a Python that has lerobot (recipe on top)")
    return str(Path(found).absolute())


def ask(interpreter: str, script: str, *arguments: Any, cache: Path) -> dict[str, Any]:
    """What a script prints last, run with LeRobot imported and no network."""
    done = subprocess.run(
        [interpreter, "-c", LIBRARY + script, *map(str, arguments)],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts


@pytest.fixture(scope="module")
def loaded(interpreter: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What LeRobot says of an export of two made sessions."""
    folder = tmp_path_factory.mktemp("lerobot")
    dataset, made = robot.make(folder / "robot.sk")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "reopen", lambda source, name, *_: made[name])
        export(dataset, "lerobot", folder / "out", ["reach", "lift"])
    return ask(interpreter, LOAD, folder / "out", FRONT, cache=folder / "cache")


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


def off_by(seen: Path, expected: list[np.ndarray]) -> float:
    """The largest mean difference of a picture from what was recorded, in levels of 255."""
    found = np.load(seen).astype(np.int64)
    assert len(found) == len(expected)
    return max(float(np.abs(a - b).mean()) for a, b in zip(found, expected, strict=True))


def test_a_labelled_room_loads_with_its_pictures_and_labels(
    interpreter: str, tmp_path: Path
) -> None:
    write_tabletop(tmp_path / "room", 30)
    labeling.label([tmp_path / "room"], tmp_path / "room.sk")
    dataset = open_dataset(tmp_path / "room.sk")
    export(dataset, "lerobot", tmp_path / "out")
    rows = [0, 13, 29]
    seen = ask(
        interpreter, LOOK, tmp_path / "out", tmp_path / "seen.npy", *rows, cache=tmp_path / "cache"
    )
    assert (seen["length"], seen["episodes"]) == (30, 1)
    assert seen["policy"] == ["observation.images.camera"]
    (view,) = open_recordings(tmp_path / "room")[0].views
    assert off_by(tmp_path / "seen.npy", list(view.rgb.source.read(rows))) < 6  # its noise is lost
    labels = list(dataset.labels("room"))
    for row, found in zip(rows, seen["objects"], strict=True):
        assert [thing["label"] for thing in found] == list(labels[row].phrase)
        assert [thing["object"] for thing in found] == labels[row].object.tolist()
        boxes = [thing["bbox"] for thing in found]
        assert np.allclose(boxes, labels[row].box_xyxy, atol=0.01) and len(found)


def test_real_episodes_of_v21_come_out_as_v30_with_the_same_pictures_and_numbers(
    interpreter: str, shared_data: Path, tmp_path: Path
) -> None:
    source = shared_data / "g1_lerobot_v21"
    labeling.label([source], tmp_path / "g1.sk")
    dataset = open_dataset(tmp_path / "g1.sk")
    export(dataset, "lerobot", tmp_path / "out")
    episodes = open_recordings(source)
    first = len(episodes[0].views[0].rgb)
    picks = [(0, 0), (0, 100), (0, first - 1), (1, 0), (1, 276)]
    rows = [first * episode + row for episode, row in picks]
    seen = ask(
        interpreter, LOOK, tmp_path / "out", tmp_path / "seen.npy", *rows, cache=tmp_path / "cache"
    )
    assert (seen["length"], seen["episodes"]) == (498, 2)
    assert set(seen["tasks"]) == {"Pick up the yellow bottle on the table."}
    camera = "observation.images.cam_high"
    assert seen["policy"] == ["action", camera, "observation.state"]
    labels = [list(dataset.labels(session)) for session in dataset.sessions()]
    assert seen["counts"] == [len(labels[episode][row]) for episode, row in picks]
    assert min(seen["counts"]) > 0 and seen["batched"] == [2, 3, 480, 640]
    pixels = [next(episodes[e].views[0].rgb.source.read([row])) for e, row in picks]
    assert off_by(tmp_path / "seen.npy", pixels) < 3
    files = sorted(source.glob("data/*/*.parquet"))
    recorded = [pq.read_table(file)["observation.state"].to_pylist() for file in files]
    assert seen["state"] == [recorded[episode][row] for episode, row in picks]


def test_recordings_load_and_what_is_kept_beside_them_does_not_get_in_the_way(
    interpreter: str, tmp_path: Path
) -> None:
    made = [made_recordings.robot(6, "a", True), made_recordings.robot(4, "b", True)]
    write_recordings(made, tmp_path / "out")
    head, wrist = "observation.images.head", "observation.images.wrist_rgb"
    seen = ask(
        interpreter, PLAIN, tmp_path / "out", tmp_path / "seen.npy", head, cache=tmp_path / "cache"
    )
    assert (seen["episodes"], seen["second"], seen["batched"]) == (2, 4, [4, 3, 16, 24])
    assert seen["tasks"] == [made_recordings.TASK] * 10
    assert seen["policy"] == ["action", head, wrist, "observation.state"]
    for role, name in {"observation.state": "joints", "action": "command"}.items():
        assert seen["numbers"][role] == [
            row for r in made for row in r.signals[name].values.tolist()
        ]
    pixels = [a for r in made for a in r.views[0].rgb.source.arrays]
    assert off_by(tmp_path / "seen.npy", pixels) < 5
