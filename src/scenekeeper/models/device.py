"""Where a model runs: the device, its number format, and batches that fit into its memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

from scenekeeper.errors import ModelError

FULL = ("out of memory", "can't allocate memory", "status_alloc_failed")
"""What devices say when memory runs out: CUDA, HIP and MPS; a CPU; cuBLAS and cuDNN."""

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True)
class Device:
    """A device and how to compute on it.

    Attributes:
        name: as torch calls it: ``cpu``, ``cuda:0``, ``mps``.
        half: bfloat16 where that is safe (autocast). Detectors whose weights are themselves in
            half precision give NaN boxes, and boxes in bfloat16 are 7.5 pixels apart at the right
            of a 1920-pixel picture.
    """

    name: str = "cpu"
    half: bool = False

    def autocast(self) -> AbstractContextManager[Any]:
        """Context in which a forward pass belongs."""
        if not self.half:
            return nullcontext()
        import torch

        kind = self.name.partition(":")[0]
        context: AbstractContextManager[Any] = torch.autocast(kind, torch.bfloat16)
        return context


def pick_device(wanted: str | None = None) -> Device:
    """The device that was asked for, or the best there is; bfloat16 on GPUs.

    Raises:
        ModelError: there is no such device.
    """
    try:
        import torch
    except ImportError:
        return Device("cpu")
    gpu = torch.cuda.is_available()
    name = wanted or ("cuda" if gpu else "cpu")
    kind, _, number = name.partition(":")
    if kind == "cuda" and not (gpu and int(number or 0) < torch.cuda.device_count()):
        raise ModelError(
            f"there is no device {name!r}", remedy=f"Use {'cuda:0' if gpu else 'cpu'}."
        )
    return Device(name, half=kind == "cuda")


def in_batches(
    run: Callable[[Sequence[In]], Sequence[Out]], items: Sequence[In], at_most: int
) -> list[Out]:
    """Results of items in batches that fit into memory.

    A batch that does not fit is halved, again and again; what did not fit once is not tried again
    at that size within this call.

    Raises:
        ModelError: a single item does not fit.
    """
    out: list[Out] = []
    size = max(1, at_most)
    while len(out) < len(items):
        batch = items[len(out) : len(out) + size]
        try:
            out += run(batch)
        except (RuntimeError, MemoryError) as error:
            if not _out_of_memory(error):
                raise
            if len(batch) == 1:
                raise ModelError(
                    "one frame does not fit into the device's memory",
                    remedy="Use a smaller model or smaller pictures, or free the device.",
                ) from error
            size = len(batch) // 2
            _give_back()
    return out


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or any(word in str(error).lower() for word in FULL)


def _give_back() -> None:
    import gc
    import sys

    gc.collect()
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
