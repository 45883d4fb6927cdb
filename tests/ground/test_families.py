"""What holds for every grounder, whatever its architecture."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenekeeper.errors import ModelError
from scenekeeper.models import Device, FrameModel, Load
from scenekeeper.schema import Camera, Frame, Labels
from tests.checkpoints.pictures import frame
from tests.checkpoints.tokens import WORDS as NOUNS
from tests.ground.grounders import ADAPTERS, EVERYTHING, WORDS, check_same, keeping, load, scored

pytestmark = pytest.mark.models
FAMILIES = sorted(ADAPTERS)
MANY = {f"{color} {noun}": () for color in ("red", "blue", "green") for noun in NOUNS[:40]}


@pytest.fixture(scope="module")
def model(checkpoint: Callable[[str], Path]) -> Callable[[str], Any]:
    """A family's model, loaded once."""
    return cache(lambda family: load(family, checkpoint(family)))


def look(model: Any, frames: list[Frame], words: dict[str, tuple[str, ...]]) -> list[Labels]:
    found = model.run(frames, words, [None] * len(frames))
    assert [labels.frame_id for labels in found] == [f.frame_id for f in frames]
    return list(found)


def plain(width: int, height: int, color: int = 90) -> Frame:
    picture = np.full((height, width, 3), color, np.uint8)
    return Frame(7, "made", Camera("front", width, height), 0, picture)


@pytest.mark.parametrize("family", FAMILIES)
def test_its_card_is_complete_before_weights_are_read(
    family: str, checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "no weights"
    shutil.copytree(checkpoint(family), folder, ignore=shutil.ignore_patterns("*.safetensors"))
    model = load(family, folder)
    assert isinstance(model, FrameModel)
    assert "boxes" in model.card.provides and not model.card.needs
    assert len(model.card.revision) == 12 and model.card.facts()["settings"]["version"] == 1
    assert model.card.name == f"{family.replace('_', '-')}:{folder}"


def test_no_adapter_imports_torch_until_it_looks(checkpoint: Callable[[str], Path]) -> None:
    script = "import sys\nfrom tests.ground.grounders import load\nfrom pathlib import Path\n"
    script += "".join(f"load({f!r}, Path({str(checkpoint(f))!r}))\n" for f in FAMILIES)
    script += "assert not {'torch', 'transformers', 'torchvision'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_answer_for_a_frame_does_not_depend_on_its_batch(
    family: str, model: Callable[[str], Any]
) -> None:
    frames = [frame(step=0), frame(203, 301, step=1), frame(step=9), frame(321, 241, step=3)]
    together = look(model(family), frames, WORDS)
    for labels, one in zip(together, frames, strict=True):
        assert len(labels) and set(labels.phrase) <= WORDS.keys()
        check_same(labels, look(model(family), [one], WORDS)[0])


@pytest.mark.parametrize("family", FAMILIES)
def test_frames_are_told_apart(family: str, model: Callable[[str], Any]) -> None:
    a, b = look(model(family), [frame(step=0), plain(320, 240)], WORDS)
    assert not np.array_equal(a.score[:3], b.score[:3])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_long_vocabulary_is_the_union_of_its_parts(
    family: str, model: Callable[[str], Any]
) -> None:
    words = MANY if family != "florence2" else dict(list(MANY.items())[:6])
    model_ = keeping(model(family), EVERYTHING)
    least = EVERYTHING.min_score
    whole = scored(look(model_, [frame()], words)[0], least)
    parts = list(parts_of(family, model_, list(words)))
    assert len(parts) > 1 and [*chain(*parts)] == list(words)
    union: dict[tuple[float, ...], float] = {}
    for part in parts:
        union |= scored(look(model_, [frame()], {word: () for word in part})[0], least)
    assert whole.keys() == union.keys() and len(whole) > len(words) / 2
    assert [whole[k] for k in union] == pytest.approx(list(union.values()), abs=1e-4)


def parts_of(family: str, model: Any, words: list[str]) -> Iterator[list[str]]:
    """The parts in which a vocabulary is asked for; any will do where each phrase stands alone."""
    network = model.network()
    if "grounding_dino" in family:
        for prompt in network.prompts(words):
            yield words[prompt.first : prompt.first + len(prompt.spans)]
    elif family == "omdet_turbo":
        yield from network.parts(tuple(words))
    else:
        yield from (words[:5], words[5:])


@pytest.mark.parametrize("family", FAMILIES)
def test_boxes_grow_with_the_picture(family: str, model: Callable[[str], Any]) -> None:
    """A picture of one color looks the same to the network in any size of one shape."""
    model_ = keeping(model(family), EVERYTHING)
    small, large = look(model_, [plain(321, 241), plain(642, 482)], WORDS)
    assert len(small) == len(large) > 2
    apart = np.abs(large.box_xyxy[:, None] / 2 - small.box_xyxy).max(-1)
    assert apart.min(0).max() < 0.05 and apart.min(1).max() < 0.05
    assert np.ptp(small.box_xyxy[:, 0]) > 5  # they are not all the same box


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", [(321, 241), (64, 480), (33, 17)], ids=str)
def test_boxes_lie_in_the_picture(
    family: str, size: tuple[int, int], model: Callable[[str], Any]
) -> None:
    [labels] = look(model(family), [frame(*size)], WORDS)
    assert len(labels)
    box, (width, height) = labels.box_xyxy, size
    assert (box >= 0).all() and (box <= [width, height, width, height]).all()
    assert (box[:, 2:] > box[:, :2]).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_box_comes_with_its_names_and_how_sure_they_are(
    family: str, model: Callable[[str], Any]
) -> None:
    [labels] = look(model(family), [frame()], WORDS)
    assert {"margin", "entropy"} <= labels.signals.keys()
    assert (labels.score > 0).all() and (labels.score <= 1).all()
    assert (np.diff(labels.score) <= 0).all()
    for k, names in enumerate(labels.names):
        assert next(iter(names)) == labels.phrase[k] and names.keys() <= WORDS.keys()
        assert names[labels.phrase[k]] == pytest.approx(float(labels.score[k]))


@pytest.mark.parametrize("family", FAMILIES)
def test_no_frames_no_words_and_no_light_are_no_trouble(
    family: str, model: Callable[[str], Any]
) -> None:
    assert look(model(family), [], WORDS) == []
    [without] = look(model(family), [frame()], {})
    assert family == "florence2" or not len(without)
    [dark] = look(model(family), [plain(320, 240, 0)], WORDS)
    assert np.isfinite(dark.box_xyxy).all() and np.isfinite(dark.score).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_phrases_of_any_kind_can_be_asked_for(family: str, model: Callable[[str], Any]) -> None:
    words = {"Dr. Pepper": (), "théière": ("茶壶",), "mug " * 90: (), "?": (), "": ()}
    [labels] = look(model(family), [frame()], words)
    assert set(labels.phrase) <= words.keys() and np.isfinite(labels.score).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_in_half_precision_are_finite_and_alike(
    family: str, model: Callable[[str], Any], checkpoint: Callable[[str], Path]
) -> None:
    half = load(family, checkpoint(family), Device("cpu", half=True))
    [exact] = look(model(family), [frame()], WORDS)
    [rough] = look(half, [frame()], WORDS)
    assert np.isfinite(rough.box_xyxy).all() and np.isfinite(rough.score).all()
    assert len(rough) == pytest.approx(len(exact), rel=0.25)
    assert rough.score[0] == pytest.approx(float(exact.score[0]), abs=0.05)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_not_finite_is_not_found(family: str, checkpoint: Callable[[str], Path]) -> None:
    import torch

    model = load(family, checkpoint(family))
    with torch.no_grad():
        for weights in model.network().model.parameters():
            weights.fill_(torch.nan)
    [labels] = look(model, [frame()], WORDS)
    assert len(labels) == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_memory_that_runs_out_halves_the_batch(
    family: str, model: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from scenekeeper.ground import tensors

    sizes = []
    prepare = tensors.prepare

    def tight(processor: Any, pictures: Any, device: Device) -> Any:
        sizes.append(len(pictures))
        if len(pictures) > 1:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return prepare(processor, pictures, device)

    module = sys.modules[f"scenekeeper.ground.{ADAPTERS[family]}"]
    frames = [frame(step=k) for k in range(3)]
    expected = look(model(family), frames, WORDS)
    monkeypatch.setattr(module, "prepare", tight)
    for a, b in zip(expected, look(model(family), frames, WORDS), strict=True):
        check_same(a, b)
    assert sizes == [3, 1, 1, 1]


@pytest.mark.parametrize("family", FAMILIES)
def test_its_cost_is_what_the_network_computes(
    family: str, checkpoint: Callable[[str], Path]
) -> None:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from scenekeeper.ground.tensors import prepare

    model = load(family, checkpoint(family))
    network = model.network()
    network.model.set_attn_implementation("eager")  # fused attention is not counted on a CPU
    few = 6 if family == "florence2" else 90
    words = {word: () for word in list(MANY)[:few]}
    look(model, [frame()], words)  # embeds the words
    processor = getattr(network.processor, "image_processor", network.processor)
    with FlopCounterMode(display=False) as outside, torch.inference_mode():
        prepare(processor, [frame().rgb], Device())
    with FlopCounterMode(display=False) as all_:
        look(model, [frame()], words)
    counted = all_.get_total_flops() - outside.get_total_flops()
    told = model.card.flops(Load(320, 240, phrases=few, tokens=26))
    assert told == pytest.approx(counted, rel=0.06)


# --- what is wrong is said ------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_a_checkpoint_of_another_family_is_refused(
    family: str, checkpoint: Callable[[str], Path]
) -> None:
    other = "owlv2" if family != "owlv2" else "omdet_turbo"
    with pytest.raises(ModelError, match=f"is a checkpoint of '{other.replace('_', '-')}'"):
        load(family, checkpoint(other))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_that_is_missing_or_empty_is_named(family: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no such folder"):
        load(family, tmp_path / "nowhere")
    with pytest.raises(ModelError, match="is no checkpoint"):
        load(family, tmp_path)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("file", "kept"),
    [
        ("model.safetensors", None),
        ("model.safetensors", 0.5),
        ("model.safetensors", 0.0001),
        ("tokenizer.json", 0.5),
        ("processor_config.json", 0.5),
    ],
    ids=str,
)
def test_missing_and_damaged_files_are_named(
    family: str, file: str, kept: float | None, checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(checkpoint(family), folder)
    content = (folder / file).read_bytes()
    (folder / file).unlink()
    if kept is not None:
        (folder / file).write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ModelError) as told:
        load(family, folder).run([frame()], WORDS, [None])
    assert told.value.path == folder or told.value.path == folder / file
    assert told.value.remedy


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_that_lack_a_part_are_refused(
    family: str, checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "part"
    shutil.copytree(checkpoint(family), folder)
    weights = load_file(folder / "model.safetensors")
    gone = next(name for name in weights if name.endswith("weight"))
    del weights[gone]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks \d weights"):
        load(family, folder).run([frame()], WORDS, [None])


def test_a_failed_load_is_tried_again(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "late"
    shutil.copytree(checkpoint("owlv2"), folder)
    weights = (folder / "model.safetensors").rename(tmp_path / "kept")
    model = replace(load("owlv2", folder))
    with pytest.raises(ModelError):
        model.run([frame()], WORDS, [None])
    weights.rename(folder / "model.safetensors")
    assert len(model.run([frame()], WORDS, [None])[0])
