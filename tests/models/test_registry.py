"""Families of models are found by entry point: ours, and those of packages that are installed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from scenekeeper.errors import ModelError
from scenekeeper.models import Card, Device, FrameModel, families, open_model
from tests.checkpoints.pictures import frame

PLUGIN = '''
import numpy as np
from scenekeeper.models import Card
from scenekeeper.schema import Labels


class Whole:
    """Says that each frame is, as a whole, the first thing of the vocabulary."""

    def __init__(self, name):
        self.card = Card(name, "1", "MIT", frozenset({"boxes"}), max_batch=4)

    def run(self, frames, vocabulary, prior):
        names = tuple(vocabulary)[:1]
        return [
            Labels(f.frame_id, f.t_ns, f.rgb.shape[:2],
                   np.array([[0, 0, *f.rgb.shape[1::-1]]] * len(names), np.float32), phrase=names)
            for f in frames
        ]


def load(source, device):
    return Whole(str(source))
'''

Install = Callable[[str, str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a package of one module that brings a family."""

    def put(family: str, module: str, text: str) -> None:
        site = tmp_path / module
        metadata = site / f"{module}-1.0.dist-info"
        metadata.mkdir(parents=True)
        head = f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n"
        (metadata / "METADATA").write_text(head)
        (metadata / "entry_points.txt").write_text(f"[scenekeeper.models]\n{family} = {module}\n")
        (site / f"{module}.py").write_text(text)
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.delitem(sys.modules, module, raising=False)

    return put


def test_another_package_brings_a_model_in_few_lines(install: Install) -> None:
    install("whole", "whole_plugin", PLUGIN)
    assert len(PLUGIN.splitlines()) < 40 and "whole" in families()
    model = open_model("whole:any", Device())
    assert isinstance(model, FrameModel) and isinstance(model.card, Card)
    assert model.card.facts() == {
        "model": "whole:any",
        "revision": "1",
        "licence": "MIT",
        "settings": {},
    }
    [labels] = model.run([frame(64, 48)], {"mug": ()}, [None])
    assert labels.phrase == ("mug",)
    np.testing.assert_array_equal(labels.box_xyxy, [[0, 0, 64, 48]])


def test_finding_families_imports_none_of_them(install: Install) -> None:
    install("broken", "broken_plugin", "raise RuntimeError('imported')")
    assert "broken" in families() and "broken_plugin" not in sys.modules


def test_an_unknown_family_is_refused_and_the_nearest_named(install: Install) -> None:
    install("whole", "whole_plugin", PLUGIN)
    with pytest.raises(ModelError, match="no model family is called 'whle'") as told:
        open_model("whle:any", Device())
    assert "Did you mean whole?" in str(told.value) and "owlv2" in str(told.value)


def test_a_library_that_is_missing_is_named_with_the_way_to_get_it(install: Install) -> None:
    text = "def load(source, device):\n    import no_such_library\n"
    install("needy", "needy_plugin", text)
    with pytest.raises(ModelError, match="needs no_such_library, which is not installed") as told:
        open_model("needy:any", Device())
    assert "scenekeeper[models]" in str(told.value)


def test_every_family_of_ours_names_a_module_that_is_there() -> None:
    """Read from the sources, for an installed package may be an older one."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    ours = project["project"]["entry-points"]["scenekeeper.models"]
    grounders = {k: v for k, v in ours.items() if v.startswith("scenekeeper.ground")}
    assert len(grounders) == 6
    for module in grounders.values():
        assert callable(importlib.import_module(module).load)
