"""Whole recordings in other people's formats: what each format is, and one function for all.

In: one recording or several, the name of a format, a path. Out: a file or folder that appears whole
or not at all, and notes on what the format could not hold.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

from scenekeeper.errors import ExportError
from scenekeeper.exchange.base import Exported
from scenekeeper.exchange.folder import plain_names, replacing_folder
from scenekeeper.recording.base import Recording


@dataclass(frozen=True)
class Format:
    """How recordings lie on disk.

    Attributes:
        module: what writes it.
        many: whether one folder holds many recordings, an episode each.
        suffixes: how its files may end, the usual one first; none: it is a folder.
        needs: module and extra without which it cannot be written.
    """

    module: str
    many: bool = False
    suffixes: tuple[str, ...] = ()
    needs: tuple[str, str] | None = None

    @property
    def suffix(self) -> str:
        """How its files end; empty for folders."""
        return self.suffixes[0] if self.suffixes else ""


FORMATS: Mapping[str, Format] = {
    "mcap": Format("scenekeeper.exchange.recording_mcap", suffixes=(".mcap",)),
    "rgbd": Format("scenekeeper.exchange.recording_rgbd"),
    "hdf5": Format(
        "scenekeeper.exchange.recording_hdf5",
        suffixes=(".hdf5", ".h5"),
        needs=("h5py", "hdf5"),
    ),
    "lerobot": Format("scenekeeper.exchange.recording_lerobot", many=True),
    "rlds": Format("scenekeeper.exchange.recording_rlds", many=True),
}


def find_format(name: str) -> Format:
    """The format of a name, ready to be written.

    Raises:
        ExportError: there is none, or what it needs is not installed.
    """
    if name not in FORMATS:
        raise ExportError(
            f"no recording format {name!r}", remedy=f"There are: {', '.join(FORMATS)}."
        )
    found = FORMATS[name]
    if found.needs is not None and importlib.util.find_spec(found.needs[0]) is None:
        module, extra = found.needs
        raise ExportError(
            f"the {name.upper()} format needs {module}, which is not installed",
            remedy=f"pip install 'scenekeeper[{extra}]'",
        )
    return found


def format_of(path: Path, wanted: str | None = None) -> str:
    """The name of the format that a path is to be written in: the one wanted, else by its suffix.

    Raises:
        ExportError: the suffix says nothing, or something else than what is wanted.
    """
    suffix = path.suffix.lower()
    said = next((name for name, f in FORMATS.items() if suffix in f.suffixes), None)
    if said is None and wanted is None:
        raise ExportError(
            "the name does not say which format it is to have",
            path=path,
            remedy=f"Say --format, one of {', '.join(FORMATS)}; or end it in .mcap or .hdf5.",
        )
    if said is not None and wanted not in (None, said):
        raise ExportError(
            f"ends like {said}, but is to be {wanted}", path=path, remedy="Choose another name."
        )
    return wanted or said or ""


def write_recording(recording: Recording, format: str, path: Path) -> Exported:
    """Write one recording in a format; it appears whole or not at all.

    Args:
        recording: what to write.
        format: one of :data:`FORMATS`; those of many recordings get one episode.
        path: file or folder to make.

    Raises:
        ExportError: see :func:`find_format`, or it cannot be written.
        RecordingError: the recording cannot be read.
    """
    found = find_format(format)
    module = import_module(found.module)
    if found.many:
        written: Exported = module.write_recordings([recording], path)
        return written
    if format == "mcap":
        notes = tuple(_made_of_jpeg(recording))
        module.write_recording(recording, path)
        return Exported(path, sum(len(view.rgb) for view in recording.views), 0, notes)
    done: Exported = module.write_recording(recording, path)
    return done


def _made_of_jpeg(recording: Recording) -> Iterator[str]:
    for view in recording.views:
        if len(view.rgb) and view.rgb.source.encoded(0) is None:
            yield (
                f"Camera {view.camera.name!r}: its pictures have no files of their own and become"
                " JPEG of quality 95."
            )


def write_recordings(
    recordings: Sequence[Recording],
    format: str,
    path: Path,
    say: Callable[[str], None] = lambda line: None,
) -> Exported:
    """Write recordings into one folder, which appears whole or not at all.

    Args:
        recordings: what to write.
        format: one of :data:`FORMATS`. Where one folder holds many recordings, they are its
            episodes, in this order; else each becomes a file or folder of its own name in it.
        path: the folder to make.
        say: is told of every recording that gets a file of its own.

    Raises:
        ExportError: see :func:`find_format`; ``path`` exists, or cannot be written.
        RecordingError: a recording cannot be read.
    """
    found = find_format(format)
    if found.many:
        written: Exported = import_module(found.module).write_recordings(recordings, path)
        return written
    names = plain_names([r.name for r in recordings], "recording")
    frames, notes = 0, list[str]()
    with replacing_folder(path) as folder:
        for recording, name in zip(recordings, names, strict=True):
            named = replace(recording, name=name)
            done = write_recording(named, format, folder / (name + found.suffix))
            frames += done.frames
            notes += done.notes
            say(f"{name}{found.suffix}: {done.frames} frames")
    return Exported(path, frames, 0, tuple(dict.fromkeys(notes)))
