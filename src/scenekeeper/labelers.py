"""How recordings become labels: the stages of each labeler, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from scenekeeper.describe import OFTEN, Choose, Compose, Describe, Glance, Tell
from scenekeeper.engine import Stage
from scenekeeper.errors import ModelError
from scenekeeper.ground import Detect, Propose
from scenekeeper.ground.thresholds import ThresholdConfig
from scenekeeper.ground.weights import load
from scenekeeper.models import open_model, pick_device
from scenekeeper.models.base import Words
from scenekeeper.models.known import check_purpose, licence_of, names_of
from scenekeeper.models.plan import Plan, plan
from scenekeeper.naming import NamingConfig
from scenekeeper.quality import Quality
from scenekeeper.schema import Frame
from scenekeeper.segment import Discover, Follow, Number, Project, Stitch, Unite
from scenekeeper.store import Dataset
from scenekeeper.world import (
    Agree,
    ExistenceConfig,
    Fuse,
    FuseConfig,
    Observe,
    Reconcile,
    World,
)

EMBEDDED = ExistenceConfig(
    prior=0.62,
    p_detect=0.85,
    p_false=0.75,
    p_score=0.62,
    correlation=1.0,
    correlation_scores=1.0,
)
"""What the embedded labeler's sightings mean. It looks at a whole session before it labels a frame,
so a ghost comes back nearly as surely as a thing does, and all scores of a thing are one word: on
four simulated homes, seeds 10100 to 10106, 62 of 100 of its objects were real."""


OTHERS = ExistenceConfig(calibrated=False)
"""What the sightings of other people's models mean: that they detected it, however sure they say
they are. A true thing of Grounding DINO may score 0.3, one of OWLv2 0.1."""


class Labeler(Protocol):
    """How recordings become labels."""

    def stages(self, dataset: Dataset, session: str) -> Sequence[Stage]:
        """Its stages, in an order in which each finds the tables it reads.

        Args:
            dataset: where names lie that people gave.
            session: what will be labelled.
        """
        ...


@dataclass(frozen=True)
class EmbeddedLabeler:
    """The labeler in the wheel: small networks and the map, no download.

    Attributes:
        fuse: how depth becomes a surface.
        naming: when a name is said.
    """

    fuse: FuseConfig = field(default_factory=FuseConfig)
    naming: NamingConfig = field(default_factory=NamingConfig)

    def stages(self, dataset: Dataset, session: str) -> Sequence[Stage]:
        """Its stages in order."""
        facts = load("namer").facts
        cameras = {c.name: c for c in dataset.session(session).cameras}
        unite = Unite(
            tuple(facts["classes"]),
            facts["scale"],
            prototypes(dataset),
            cameras,
            naming=self.naming,
        )
        return [
            Quality(),
            Fuse(self.fuse),
            Propose(self.fuse.voxel_size),
            Discover(self.fuse.voxel_size),
            unite,
            Project(reads=("tracks", "proposals")),
            Observe(),
            World("tracks", EMBEDDED),
            Reconcile(),
            Describe(given_names(dataset)),
        ]


@dataclass(frozen=True)
class MapLabeler:
    """The labeler without any network: depth and poses in, unnamed objects out.

    Attributes:
        fuse: how depth becomes a surface.
    """

    fuse: FuseConfig = field(default_factory=FuseConfig)

    def stages(self, dataset: Dataset, session: str) -> Sequence[Stage]:
        """Its stages in order."""
        return [
            Quality(),
            Fuse(self.fuse),
            Discover(self.fuse.voxel_size),
            Project(),
            Observe(),
            World("segments"),
            Describe(given_names(dataset)),
        ]


@dataclass(frozen=True)
class ModelLabeler:
    """The labeler that uses other people's models, and the world as ever.

    Attributes:
        plan: which model does what, see :func:`scenekeeper.models.plan.plan`.
        vocabulary: what to look for.
        notes: what the user should know of the models.
        limits: scores from which on single phrases are believed, as a review found; infinite = what
            is found as it is discarded.
    """

    plan: Plan
    vocabulary: Words
    notes: tuple[str, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)

    def stages(self, dataset: Dataset, session: str) -> Sequence[Stage]:
        """Its stages in order."""
        parts, names = self.plan, given_names(dataset)
        stages: list[Stage] = [Quality()]
        if parts.look:
            limits = ThresholdConfig(own=self.limits)
            stages.append(Detect(parts.look, self.vocabulary, limits))
        stages += [Follow(parts.follow, self.vocabulary), Stitch(), Number()]
        if parts.tell is None:
            return [*stages, Observe(), World(None, OTHERS), Reconcile(), Describe(names)]
        stages += [Observe(), Glance(), World(None, OTHERS), Reconcile()]
        choose = Choose(often=OFTEN if parts.often else None)
        tell = Tell(parts.tell, self.vocabulary, parts.often)
        return [*stages, choose, tell, Agree(), Compose(names)]


def model_labeler(
    models: str | Sequence[str],
    vocabulary: Words | None = None,
    *,
    device: str | None = None,
    purpose: str | None = None,
) -> ModelLabeler:
    """A labeler of models by their names; nothing is loaded yet but their configurations.

    Args:
        models: a preset (``fast``, ``best``), names of models, or names separated by commas. Where
            none of them follows things, boxes are joined to tracks by place and motion.
        vocabulary: what to look for; the embedded namer's words when absent.
        device: as torch calls it; a GPU when there is one.
        purpose: what the labels are for; a model whose terms forbid it is refused.

    Raises:
        ModelError: a model is not there, not allowed, or has nothing to do.
    """
    names, where = names_of(models), pick_device(device)
    for name in names:
        check_purpose(name, licence_of(name), purpose)  # before anything is fetched
    opened = [open_model(name, where) for name in names]
    if not any("tracks" in model.card.provides for model in opened):
        after = max((k for k, m in enumerate(opened) if "boxes" in m.card.provides), default=-1)
        opened.insert(after + 1, open_model("boxes", where))
    cards = [model.card for model in opened]
    noted = (check_purpose(card.name, card.licence, purpose) for card in cards)
    notes = tuple(note for note in noted if note)
    words = vocabulary if vocabulary is not None else usual_words()
    return ModelLabeler(plan(opened), words, notes)


def proposed_words(labeler: ModelLabeler, frames: Sequence[Frame]) -> Words:
    """What to look for in some frames, as the describing model of a labeler says.

    Raises:
        ModelError: none of its models can be asked.
    """
    from scenekeeper.describe.describer import Describer
    from scenekeeper.describe.propose_words import propose_words

    model = labeler.plan.tell
    if isinstance(model, Describer):
        return propose_words(model.chat, frames, model.sight)
    raise ModelError(
        "none of the models can be asked for words",
        remedy="Add one that chats, e.g. openai:http://localhost:8000/v1#MODEL.",
    )


def usual_words() -> Words:
    """The embedded namer's words; people, hands and grippers are among them."""
    return dict.fromkeys(load("namer").facts["classes"], ())


def prototypes(dataset: Dataset) -> dict[str, tuple[float, ...]]:
    """Mean embedding of what people have named, by name, over all sessions labelled so far."""
    named = given_names(dataset)
    sums: dict[str, Any] = {}
    for session in dataset.sessions():
        run = dataset.current(session).get("tracks")
        if run is None or not named:
            continue
        tracks = dataset.read_segment("tracks", run, session).select(["track", "embedding"])
        embedding = dict(zip(*(tracks[c].to_pylist() for c in ("track", "embedding")), strict=True))
        for row in dataset.table("objects", session).select(["object", "track"]).to_pylist():
            vector = embedding.get(row["track"])
            if row["object"] in named and vector:
                word = named[row["object"]]
                sums[word] = sums.get(word, 0.0) + np.array(vector, np.float64)
    return {w: tuple((v / np.linalg.norm(v)).round(6).tolist()) for w, v in sorted(sums.items())}


def given_names(dataset: Dataset) -> dict[int, str]:
    """Names that people gave, by object; of objects that people say are one, by each of them."""
    names = {r["object"]: r["phrase"] for r in dataset.table("names").to_pylist()}
    if dataset.applied() is not None:
        for same in dataset.table("same_object").to_pylist():
            if same["object"] in names:
                names[same["subject"]] = names[same["object"]]
    return names
