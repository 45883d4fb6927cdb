"""How a model is named: ``family:where@revision#part``, in one string."""

from __future__ import annotations

from dataclasses import dataclass

from scenekeeper.errors import ModelError


@dataclass(frozen=True)
class Source:
    """A model's name, taken apart.

    ``sam2:facebook/sam2.1-hiera-large@main``, ``owlv2:./my-checkpoint`` or
    ``openai:http://localhost:8000/v1#Qwen/Qwen2.5-VL-7B-Instruct``.

    Attributes:
        family: which adapter; a name in the entry-point group ``scenekeeper.models``.
        where: a folder, a repository on the hub, or a server's address.
        revision: branch, tag or commit of a repository; ``None`` = the newest.
        part: what follows ``#``: the model that a server is to use.
    """

    family: str
    where: str = ""
    revision: str | None = None
    part: str | None = None

    @classmethod
    def parse(cls, name: str) -> Source:
        """Take a name apart.

        Raises:
            ModelError: there is no family in it.
        """
        family, _, rest = name.strip().partition(":")
        if not family or "/" in family:
            raise ModelError(
                f"{name!r} does not say which family the model is of",
                remedy="Write family:checkpoint, e.g. sam2:facebook/sam2.1-hiera-large;"
                " `scenekeeper doctor` lists the families.",
            )
        where, _, part = rest.partition("#")
        revision = None
        if "://" not in where and not where.startswith((".", "/", "~")):
            where, _, revision = where.partition("@")
        return cls(family, where, revision or None, part or None)

    def __str__(self) -> str:
        tail = f"@{self.revision}" if self.revision else ""
        part = f"#{self.part}" if self.part else ""
        where = f":{self.where}{tail}{part}" if self.where or part else ""
        return f"{self.family}{where}"


def parse_names(text: str) -> list[str]:
    """The names in a comma-separated list; an empty one is left out."""
    return [name.strip() for name in text.split(",") if name.strip()]
