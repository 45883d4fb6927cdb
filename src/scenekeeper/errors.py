"""What can go wrong, said so that a user can act: the file, the place in it, and the remedy."""

from __future__ import annotations

from os import PathLike


class ScenekeeperError(Exception):
    """Base of every error this package raises on purpose.

    The text reads ``path: place: problem. remedy`` with absent parts left out.
    """

    def __init__(
        self,
        problem: str,
        *,
        path: str | PathLike[str] | None = None,
        place: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.problem = problem
        self.path = path
        self.place = place
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        head = ": ".join(str(part) for part in (self.path, self.place, self.problem) if part)
        return f"{head.rstrip('.')}. {self.remedy}" if self.remedy else head


class RecordingError(ScenekeeperError):
    """A recording cannot be opened, or a part of it cannot be read."""


class DatasetError(ScenekeeperError):
    """A labelled dataset is missing, damaged, or does not hold what was asked for."""


class ExportError(ScenekeeperError):
    """A dataset cannot be written in the wanted format."""


class ModelError(ScenekeeperError):
    """A model's file is missing, damaged, or not for this release."""


class ReviewError(ScenekeeperError):
    """A decision, a card or an estimate is not what it has to be."""


class ScenekeeperWarning(UserWarning):
    """Something the user should know that does not stop the work."""
