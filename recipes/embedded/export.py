"""Networks as the ONNX files that ship: ``python -m recipes.embedded.export RUN FRAMES``."""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recipes.embedded.frames import CLASSES, HEIGHT, WIDTH
from recipes.embedded.nets import Namer, Proposer, Refiner
from recipes.embedded.samples import PADDED
from recipes.embedded.train_namer import STORED, Looks, looks_of
from scenekeeper.ground.prepare import namer_input
from scenekeeper.ground.weights import FOLDER, VERSION
from scenekeeper.simulate.families import NOUNS


class _Named(nn.Module):
    """The namer with its class table: embedding and logits."""

    def __init__(self, namer: Namer) -> None:
        super().__init__()
        self.namer = namer

    def forward(self, crop: Tensor, measures: Tensor) -> tuple[Tensor, Tensor]:
        embedding = self.namer(crop, measures)
        return embedding, self.namer.logits(embedding)


def export(run: Path, frames: Path, out: Path = FOLDER) -> None:
    """Write the networks that a run has trained; names are calibrated on held-out rooms."""
    out.mkdir(parents=True, exist_ok=True)
    for name, write in (
        ("proposer", _write_proposer),
        ("refiner", _write_refiner),
        ("namer", _write_namer),
    ):
        if (run / f"{name}.pt").exists():
            write(torch.load(run / f"{name}.pt", weights_only=True), frames, out / f"{name}.onnx")


def _write_proposer(weights: Mapping[str, Tensor], frames: Path, path: Path) -> None:
    proposer = Proposer().eval()
    proposer.load_state_dict(weights)
    _write(
        proposer,
        (torch.zeros(1, 4, PADDED, WIDTH),),
        path,
        ["rgbd"],
        ["objectness", "sides", "weights", "prototypes"],
        {"rgbd": {2: "height", 3: "width"}},
        {"network": "proposer"},
    )


def _write_refiner(weights: Mapping[str, Tensor], frames: Path, path: Path) -> None:
    refiner = Refiner().eval()
    refiner.load_state_dict(weights)
    _write(
        refiner,
        (torch.zeros(2, 5, 64, 64), torch.zeros(2, 5)),
        path,
        ["crop", "measures"],
        ["mask", "quality"],
        {"crop": {0: "n"}, "measures": {0: "n"}},
        {"network": "refiner"},
    )


def _write_namer(weights: Mapping[str, Tensor], frames: Path, path: Path) -> None:
    namer = Namer(len(CLASSES)).eval()
    namer.load_state_dict(weights)
    looks = looks_of(frames / "held-out")
    half = len(looks[2]) // 2
    first = (looks[0][:half], looks[1][:half], looks[2][:half])
    _write(
        _Named(namer).eval(),
        (torch.zeros(2, 5, 64, 64), torch.zeros(2, 4)),
        path,
        ["crop", "measures"],
        ["embedding", "logits"],
        {"crop": {0: "n"}, "measures": {0: "n"}},
        {
            "network": "namer",
            "classes": list(CLASSES),
            "synonyms": {k: list(v) for k, v in NOUNS.items()},
            "scale": float(namer.scale.exp()),
            "temperature": {
                "rgbd": _temperature(namer, first, True),
                "rgb": _temperature(namer, first, False),
            },
        },
    )


def _write(
    network: nn.Module,
    example: tuple[Tensor, ...],
    path: Path,
    inputs: list[str],
    outputs: list[str],
    dynamic: Mapping[str, Mapping[int, str]],
    facts: Mapping[str, Any],
) -> None:
    torch.onnx.export(
        network,
        example,
        str(path),
        input_names=inputs,
        output_names=outputs,
        dynamic_axes=dict(dynamic),
        opset_version=17,
        dynamo=False,
    )
    model = onnx.load(str(path))
    told = {**facts, "version": VERSION, "input": [WIDTH, HEIGHT], "made": _commit()}
    entry = model.metadata_props.add()
    entry.key, entry.value = "scenekeeper", json.dumps(told)
    onnx.save(model, str(path))


def _commit() -> str:
    """The commit that the recipe ran at."""
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


@torch.no_grad()
def _temperature(namer: Namer, looks: Looks, with_depth: bool) -> float:
    """What logits must be divided by to be calibrated (Guo et al. 2017), by golden section."""
    logits = []
    edge = (STORED - 64) // 2
    for k in range(0, len(looks[2]), 256):
        view = np.array(looks[0][k : k + 256, edge:-edge, edge:-edge])
        m = looks[1][k : k + 256].copy()
        if not with_depth:
            view[..., 4], m[:, 3] = 0, 0
        x, z = namer_input(view, m)
        logits.append(namer.logits(namer(torch.from_numpy(x), torch.from_numpy(z))).numpy())
    stacked = np.concatenate(logits).astype(np.float64)
    grid = np.exp(np.linspace(np.log(0.3), np.log(4), 60))
    losses = [_loss(stacked / t, looks[2]) for t in grid]
    return float(grid[int(np.argmin(losses))])


def _loss(logits: NDArray[np.float64], classes: NDArray[np.int64]) -> float:
    top = logits.max(1, keepdims=True)
    total = top[:, 0] + np.log(np.exp(logits - top).sum(1))
    return float((total - logits[np.arange(len(classes)), classes]).mean())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("frames", type=Path)
    parser.add_argument("--out", type=Path, default=FOLDER)
    a = parser.parse_args()
    export(a.run, a.frames, a.out)
