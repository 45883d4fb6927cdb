"""What is known of models beforehand: size, memory, licence, and sets that go well together."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

from scenekeeper.errors import ModelError
from scenekeeper.models.source import Source, parse_names

Purpose = Literal["research", "commercial", "military", "weapons"]
"""What labels will be used for, as licences tell uses apart."""


@dataclass(frozen=True)
class Known:
    """A checkpoint that is known to work.

    Attributes:
        name: ``family:where``.
        licence: id of its terms.
        download_gb: gigabytes to fetch.
        gpu_gb: gigabytes of device memory.
        gated: whether its owner wants terms accepted first.
    """

    name: str
    licence: str
    download_gb: float
    gpu_gb: float
    gated: bool = False


@dataclass(frozen=True)
class Licence:
    """What terms allow.

    Attributes:
        name: SPDX id, or a short name.
        about: in one line.
        forbids: purposes that they forbid.
    """

    name: str
    about: str
    forbids: tuple[str, ...] = ()


def known_models() -> tuple[Known, ...]:
    """Every checkpoint that is known to work."""
    return tuple(Known(**entry) for entry in _data()["model"])


def presets() -> Mapping[str, tuple[tuple[str, ...], str]]:
    """Per preset its models, and what they run on."""
    return {n: (tuple(p["models"]), p["about"]) for n, p in _data()["preset"].items()}


def licence(name: str) -> Licence | None:
    """Terms by their id; ``None`` = not known here."""
    entry = _data()["licence"].get(name)
    return None if entry is None else Licence(name, entry["about"], tuple(entry.get("forbids", ())))


def licence_of(name: str) -> str:
    """Licence id of a checkpoint by its name; empty = not known.

    A checkpoint that is not on the list has the licence under which its owner publishes that
    family. What lies in a folder says nothing of who made it, but where all of a family is one
    owner's.
    """
    source = Source.parse(name)
    where = source.part if "://" in source.where else source.where
    for known in known_models():
        listed = Source.parse(known.name)
        # Behind a server or in this process, a chat model is the same checkpoint.
        if where and where in (listed.where, listed.part):
            return known.licence
    owned: dict[str, str] = _data()["owner"].get((where or "").partition("/")[0], {})
    return owned.get(source.family) or str(_data()["family"].get(source.family, ""))


def names_of(models: str | Sequence[str]) -> list[str]:
    """Model names from what a user wrote: a preset, names, or names separated by commas."""
    texts = [models] if isinstance(models, str) else list(models)
    names = [name for text in texts for name in parse_names(text)]
    sets = presets()
    return [model for name in names for model in (sets[name][0] if name in sets else (name,))]


def check_purpose(name: str, terms: str, purpose: str | None) -> str | None:
    """A note about a model's terms for a purpose; ``None`` = nothing to note.

    Args:
        name: of the model.
        terms: id of its licence; empty = not known.
        purpose: what the labels are for; ``None`` = not said.

    Raises:
        ModelError: the terms forbid the purpose, or there is no such purpose.
    """
    if purpose is None:
        return None
    if purpose not in get_args(Purpose):
        raise ModelError(
            f"there is no purpose {purpose!r}", remedy=f"Use {', '.join(get_args(Purpose))}."
        )
    known = licence(terms)
    if known is None:
        return f"{name}: its licence is not known here; see that it allows {purpose} use"
    if purpose in known.forbids:
        raise ModelError(
            f"{name} has the licence {known.name} ({known.about}); it forbids {purpose} use",
            remedy="Choose another model; `scenekeeper doctor` lists them with their terms.",
        )
    return None


@cache
def _data() -> dict[str, Any]:
    text = files("scenekeeper.models").joinpath("known.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
