"""The benchmark of real models runs to its end on tiny ones, and both sides see the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks import gpu, gpu_measures
from benchmarks.gpu_measures import Measure
from benchmarks.harness import NotHereError
from benchmarks.real_size import KINDS, checkpoint, find_discs

from scenekeeper import masks
from scenekeeper.models import Device, Source
from scenekeeper.schema import Clip


@pytest.mark.parametrize(
    ("peer", "target", "ratio", "holds"),
    [
        (2.0, 3.0, 4.0, True),
        (4.0, 3.0, 2.0, False),
        (4.0, None, 2.0, None),
        (None, 8.0, None, True),
        (None, 9.0, None, False),
    ],
)
def test_a_verdict_follows_from_the_figures(
    peer: float | None, target: float | None, ratio: float | None, holds: bool | None
) -> None:
    made = Measure("m", "frames/s", 8.0, peer, target)
    assert made.ratio == ratio and made.holds is holds
    verdict = {True: "holds", False: "MISSED", None: ""}[holds]
    assert verdict in gpu.row(made) and (target is None) == (">=" not in gpu.row(made))


def test_the_peak_of_a_card_is_known_or_asked_for() -> None:
    assert gpu.peak_of("NVIDIA H200", tiny=False) == 989e12
    assert gpu.peak_of("NVIDIA A100-SXM4-80GB", tiny=False) == 312e12
    assert gpu.peak_of("CPU", tiny=True) is None
    with pytest.raises(NotHereError, match="--peak"):
        gpu.peak_of("NVIDIA GeForce GTX 970", tiny=False)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures and answers of a size that tests can afford."""
    for name, value in {"WIDTH": 320, "HEIGHT": 240, "ANSWER": 8}.items():
        monkeypatch.setattr(gpu_measures, name, value)


@pytest.fixture
def folders(checkpoint: Callable[[str], Path], tmp_path: Path) -> Path:
    """Where checkpoints go; here because there is torch."""
    return tmp_path


@pytest.mark.models
def test_without_a_gpu_it_says_so(
    folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert gpu.main(["--folder", str(folders)]) == 2
    told = capsys.readouterr().err
    assert "needs a GPU" in told and "--tiny" in told and not any(folders.iterdir())


@pytest.mark.models
@pytest.mark.usefixtures("small")
def test_every_measure_is_taken_and_nothing_is_claimed_of_tiny_models(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gpu.main(["--tiny", "--json", "--peak", "1e12", "--folder", str(folders)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["tiny"] and told["peak"] == 1e12
    measured = {(m["name"], m["unit"]): m for m in told["measures"]}
    speeds = {name for name, unit in measured if unit == "frames/s"}
    assert speeds == {
        "detector", "segmenter, 1 things", "segmenter, 10 things", "describer, reading",
        "describer, answering",
    }  # fmt: skip
    assert ("detector, MFU", "of the peak") in measured
    assert ("describer, answering", "tokens/s") in measured
    assert all(m["ours"] > 0 and m["holds"] is None for m in told["measures"])
    assert {folder.name for folder in folders.iterdir()} == {f"{kind}-tiny" for kind in KINDS}


@pytest.mark.models
def test_a_checkpoint_is_written_once_and_one_half_written_anew(folders: Path) -> None:
    (folders / "describer-tiny.part").mkdir()
    (folders / "describer-tiny.part" / "config.json").write_text("{")
    folder = checkpoint("describer", folders, "cpu", tiny=True)
    written = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    assert json.loads((folder / "config.json").read_text())["model_type"] == "qwen2_5_vl"
    assert checkpoint("describer", folders, "cpu", tiny=True) == folder
    assert written == {file: file.stat().st_mtime_ns for file in folder.iterdir()}


@pytest.mark.models
@pytest.mark.usefixtures("small")
def test_the_plain_segmenter_finds_what_ours_finds(checkpoint: Callable[[str], Path]) -> None:
    from benchmarks.plain_loop import PlainSegmenter

    from scenekeeper.segment import sam2

    folder, boxes = checkpoint("sam2"), gpu_measures.grid(3)
    model = sam2.load(Source("sam2", str(folder)), Device())
    assert isinstance(model, sam2.BoxTracks)
    plain = PlainSegmenter(folder, Device(), boxes)
    for network in (model.weights().model, plain.model):
        find_discs(network.mask_decoder, boxes, (gpu_measures.HEIGHT, gpu_measures.WIDTH))
    session = model.open(Clip("made", 0, 0, 2), {})
    for k, frame in enumerate(gpu_measures.pictures(2)):
        prior = gpu_measures.known(frame, boxes) if k == 0 else None
        [labels] = session.push(replace(frame, frame_id=k), prior)
        theirs = plain(frame.rgb)[:, 0].numpy()
        ours = np.stack([masks.decode(m, labels.size) for m in labels.mask if m])
        assert len(ours) == len(theirs) == 3
        assert (ours == theirs).mean() > 0.999
        assert np.abs(labels.box_xyxy - boxes).max() <= 2


@pytest.mark.models
@pytest.mark.usefixtures("small")
def test_the_plain_detector_keeps_as_many_boxes_as_it_is_told(
    checkpoint: Callable[[str], Path],
) -> None:
    from benchmarks.plain_loop import PlainDetector

    plain = PlainDetector(checkpoint("grounding_dino"), Device(), kept=7)
    found = plain(gpu_measures.pictures(1)[0].rgb, ["red mug", "blue cup"])
    assert len(found["boxes"]) == 7 and np.isfinite(found["boxes"].numpy()).all()
