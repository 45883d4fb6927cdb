"""The shipped networks trainable again: ``python -m recipes.embedded.restore FRAMES RUN``.

Export folds every normalisation into the convolution before it. Here each gets one back with the
statistics that a few training batches have, so that training goes on from what ships
(``--resume``) as if it had never stopped.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from recipes.embedded.frames import CLASSES
from recipes.embedded.nets import Namer, Proposer
from recipes.embedded.samples import endless
from recipes.embedded.train_namer import altered, looks_of
from scenekeeper.ground.weights import FOLDER

BATCHES = 8
Batch = tuple[Tensor, ...]


def restored(path: Path, network: nn.Module, batches: list[Batch]) -> nn.Module:
    """Weights of an exported file in a network of the same shape.

    Args:
        path: the ONNX file.
        network: made by the same class; its convolutions run in the order of the file's.
        batches: inputs whose statistics the normalisations take.
    """
    graph = onnx.load(str(path)).graph
    values = {i.name: torch.from_numpy(numpy_helper.to_array(i).copy()) for i in graph.initializer}
    stored = [node.input for node in graph.node if node.op_type == "Conv"]
    called = list(_in_order(network.eval(), batches[0]))
    with torch.no_grad():
        for names, (conv, norm) in zip(stored, called, strict=True):
            conv.weight.copy_(values[names[1]])
            if norm is None:
                assert conv.bias is not None
                conv.bias.copy_(values[names[2]])
            else:
                norm.bias.copy_(values[names[2]])  # as made, it changes nothing else
        for name, value in network.state_dict().items():
            told = values.get(name, values.get(f"namer.{name}"))
            if told is not None:
                value.copy_(told)
        _take_statistics(network, [(c, n) for c, n in called if n is not None], batches)
    return network


def _in_order(
    network: nn.Module, batch: Batch
) -> Iterator[tuple[nn.Conv2d, nn.BatchNorm2d | None]]:
    """Convolutions as they run, each with the normalisation that follows it."""
    ran: list[nn.Module] = []
    kinds = (nn.Conv2d, nn.BatchNorm2d)
    hooks = [
        m.register_forward_hook(lambda module, *_: ran.append(module))
        for m in network.modules()
        if isinstance(m, kinds)
    ]
    with torch.no_grad():
        network(*batch)
    for hook in hooks:
        hook.remove()
    for module, after in zip(ran, [*ran[1:], None], strict=True):
        if isinstance(module, nn.Conv2d):
            yield module, after if isinstance(after, nn.BatchNorm2d) else None


def _take_statistics(
    network: nn.Module, pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d]], batches: list[Batch]
) -> None:
    """Let normalisations normalise, and undo it by their own scale and offset."""
    sums = {conv: torch.zeros(3, conv.out_channels, dtype=torch.float64) for conv, _ in pairs}

    def add(conv: nn.Module, _: object, out: Tensor) -> None:
        x = out.double()
        ones = torch.full((x.shape[1],), float(x[:, 0].numel()), dtype=torch.float64)
        sums[conv] += torch.stack((x.sum((0, 2, 3)), (x * x).sum((0, 2, 3)), ones))  # type: ignore[index]

    hooks = [conv.register_forward_hook(add) for conv, _ in pairs]
    for batch in batches:
        network(*batch)
    for hook in hooks:
        hook.remove()
    for conv, norm in pairs:
        total, squares, n = sums[conv]
        mean, var = total / n, (squares / n - (total / n) ** 2).clamp(1e-6)
        assert norm.running_mean is not None and norm.running_var is not None
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(var)
        norm.weight.copy_((var + norm.eps).sqrt())
        norm.bias.add_(mean)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("frames", type=Path)
    parser.add_argument("run", type=Path)
    a = parser.parse_args()
    a.run.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    frames: list[Batch] = [
        (torch.from_numpy(np.stack([s.x for s in batch])),)
        for batch in islice(endless(a.frames, 16, rng), BATCHES)
    ]
    proposer = restored(FOLDER / "proposer.onnx", Proposer(), frames)
    torch.save(proposer.state_dict(), a.run / "proposer-shipped.pt")
    looks, measures, _ = looks_of(next(iter(sorted(a.frames.glob("train-*")))))
    rows = [np.sort(rng.choice(len(measures), 128, replace=False)) for _ in range(BATCHES)]
    crops: list[Batch] = [altered(looks[r], measures[r], rng) for r in rows]
    namer = restored(FOLDER / "namer.onnx", Namer(len(CLASSES)), crops)
    torch.save(namer.state_dict(), a.run / "namer-shipped.pt")
