"""Families of models, ours and other people's, found through one entry-point group."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, cast

from scenekeeper.errors import ModelError
from scenekeeper.models.base import Model
from scenekeeper.models.device import Device
from scenekeeper.models.source import Source

GROUP = "scenekeeper.models"


class Family(Protocol):
    """What an entry point names: a module, or any object, with one function.

    ``load`` reads configuration files but neither weights nor heavy libraries; those are touched
    when the model first looks at a frame. So a model's card is there before its weights are.
    """

    def load(self, source: Source, device: Device) -> Model:
        """The model of a name.

        Raises:
            ModelError: there is no such checkpoint, or it is not of this family.
        """
        ...


def families() -> Mapping[str, EntryPoint]:
    """Every family that is installed, by name; nothing is imported."""
    return {e.name: e for e in sorted(entry_points(group=GROUP), key=lambda e: e.name)}


def open_model(name: str, device: Device) -> Model:
    """The model of a name, ready to look.

    Args:
        name: ``family:where``, see :class:`Source`.
        device: where it shall run.

    Raises:
        ModelError: no such family (the nearest is named), a library it needs is missing, or its
            checkpoint is.
    """
    source = Source.parse(name)
    known = families()
    if source.family not in known:
        near = difflib.get_close_matches(source.family, known, 1, 0.5)
        meant = f"Did you mean {near[0]}? " if near else ""
        raise ModelError(
            f"no model family is called {source.family!r}",
            remedy=f"{meant}There are: {', '.join(known) or 'none'}.",
        )
    try:
        family = cast(Family, known[source.family].load())
        return family.load(source, device)
    except ImportError as error:
        raise ModelError(
            f"{name} needs {error.name or error}, which is not installed",
            remedy="Run: pip install 'scenekeeper[models]'",
        ) from error
