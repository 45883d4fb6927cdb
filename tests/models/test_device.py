"""Devices, and batches that shrink until they fit."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

import pytest

from scenekeeper.errors import ModelError
from scenekeeper.models import Device, in_batches, pick_device

torch_is_here = importlib.util.find_spec("torch") is not None


class Memory:
    """Squares numbers, at most ``room`` at once."""

    def __init__(self, room: int, error: Exception | None = None) -> None:
        self.room = room
        self.error = error or RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        self.tried: list[int] = []

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.tried.append(len(numbers))
        if len(numbers) > self.room:
            raise self.error
        return [n * n for n in numbers]


@pytest.mark.parametrize("room", [1, 2, 3, 5, 8, 99])
@pytest.mark.parametrize("count", [0, 1, 7, 20])
def test_every_item_is_done_once_and_in_order(room: int, count: int) -> None:
    memory = Memory(room)
    assert in_batches(memory, range(count), 8) == [n * n for n in range(count)]
    assert all(size <= 8 for size in memory.tried)


def test_a_size_that_did_not_fit_is_not_tried_again() -> None:
    memory = Memory(3)
    in_batches(memory, range(20), 16)
    assert memory.tried == [16, 8, 4, *[2] * 10]


def test_a_single_item_that_does_not_fit_is_said_so() -> None:
    with pytest.raises(ModelError, match="does not fit") as told:
        in_batches(Memory(0), range(4), 4)
    assert "smaller" in str(told.value.remedy)


def test_pythons_own_memory_error_counts_as_well() -> None:
    assert in_batches(Memory(1, MemoryError()), range(3), 3) == [0, 1, 4]


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("no"), KeyError(1)])
def test_any_other_error_is_not_hidden(error: Exception) -> None:
    memory = Memory(1, error)
    with pytest.raises(type(error)):
        in_batches(memory, range(4), 4)
    assert memory.tried == [4]


@pytest.mark.parametrize(
    "said",
    [
        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 139 GiB",
        "MPS backend out of memory (MPS allocated: 18.00 GB)",
        "CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    ],
)
def test_every_device_is_understood(said: str) -> None:
    assert in_batches(Memory(2, RuntimeError(said)), range(4), 4) == [0, 1, 4, 9]


@pytest.mark.skipif(not torch_is_here, reason="torch is not here")
@pytest.mark.models
def test_torch_on_a_cpu_is_understood() -> None:
    import torch

    def fill(items: Sequence[int]) -> list[int]:
        torch.empty(1 << 50 if len(items) > 2 else 1, dtype=torch.uint8)
        return list(items)

    assert in_batches(fill, range(4), 4) == [0, 1, 2, 3]


@pytest.mark.skipif(not torch_is_here, reason="torch is not here")
@pytest.mark.models
def test_half_precision_is_that_of_the_context() -> None:
    import torch

    a = torch.ones(4, 4)
    with Device("cpu", half=True).autocast():
        assert (a @ a).dtype == torch.bfloat16
    with Device("cpu").autocast():
        assert (a @ a).dtype == torch.float32


def test_without_a_gpu_the_cpu_is_picked_and_a_gpu_refused() -> None:
    if not torch_is_here:
        assert pick_device() == Device("cpu")
        return
    import torch

    if torch.cuda.is_available():
        assert pick_device() == Device("cuda", half=True)
        with pytest.raises(ModelError, match="no device 'cuda:99'"):
            pick_device("cuda:99")
    else:
        assert pick_device() == pick_device("cpu") == Device("cpu")
        with pytest.raises(ModelError, match="no device 'cuda'"):
            pick_device("cuda")
