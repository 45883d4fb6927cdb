"""A real server, ``transformers serve``, is understood: pictures, errors, what it leaves out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scenekeeper.describe.openai import HttpChat, load
from scenekeeper.describe.questions import Bounds
from scenekeeper.errors import ModelError
from scenekeeper.models import Ask, Device, Source
from scenekeeper.models.wire import Address
from scenekeeper.schema import Labels
from tests.checkpoints.pictures import frame
from tests.serving import serving

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def served(
    checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """Address and model's name of a server that runs for the tests of this file."""
    folder = checkpoint("qwen2_5_vl")
    with serving(folder, tmp_path_factory.mktemp("hub")) as address:
        yield address, str(folder)


def test_what_it_ignores_is_found_out(served: tuple[str, str]) -> None:
    where, model = served
    assert HttpChat(Address.parse(where), model).capabilities == {"images"}


def test_a_frame_is_described_through_it(served: tuple[str, str]) -> None:
    where, model = served
    describer = load(Source.parse(f"openai:{where}#{model}"), Device())
    describer = replace(describer, bounds=Bounds(caption=20, text=12, objects=2))
    boxes = np.array([[50, 110, 86, 168], [0, 156, 320, 240]], np.float32)
    prior = Labels(0, 0, (240, 320), boxes, phrase=("mug", "table"), track=np.array([7, 8]))
    (out,) = describer.run([frame()], {"mug": ()}, [prior])
    # Random weights say nothing that makes sense, and that is said.
    np.testing.assert_array_equal(out.signals["failed"], 1)
    np.testing.assert_array_equal(out.track, [7, 8])


def test_its_answers_are_read(served: tuple[str, str]) -> None:
    where, model = served
    ask = Ask((frame(84, 56).rgb,), "Say something.", max_tokens=6)
    replies = asyncio.run(HttpChat(Address.parse(where), model).ask([ask] * 3))
    assert {(reply.finish, reply.problem) for reply in replies} == {("length", "")}
    assert len({reply.text for reply in replies}) == 1


def test_another_model_than_it_has_stops_the_work(served: tuple[str, str]) -> None:
    with pytest.raises(ModelError, match="pinned"):
        asyncio.run(HttpChat(Address.parse(served[0]), "other").ask([Ask((), "Hello?")]))
