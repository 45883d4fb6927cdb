"""Open damaged recordings one by one in processes of their own, and say how each went.

``python -m tests.recording.fuzz_worker`` imports all that is needed and then forks a process per
line of standard input, ``[WHOLE, SCRATCH, START, STOP, OUT]`` in JSON; when it has ended, its exit
code is printed. Case ``k`` is the recording at ``WHOLE``, damaged with seed ``k``. ``START k``
before a case and its outcome after it are written to ``OUT``, errors to ``OUT.err``. A case that
takes too long ends the process with the stack of where it hangs; memory that a recording of a few
kilobytes cannot need is refused to it.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import shutil
import sys
import traceback
import warnings
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

from scenekeeper.errors import RecordingError
from scenekeeper.recording import Images, Recording, open_recordings
from scenekeeper.recording.frames import frame_index, read_frames, signal_rows
from scenekeeper.recording.registration import align
from tests.recording.mutations import damaged, read_tree, write_tree

MAX_SECONDS = 20
MORE_ADDRESSES = 3 << 30
"""Of virtual memory; Arrow alone reserves a gigabyte of it, untouched, per thread."""
MORE_MEMORY = 300 << 20


def exercise(path: Path) -> tuple[int, int]:
    """Open a recording and read all of it; how many pictures came, and how many were refused.

    Raises:
        RecordingError: it does not open.
    """
    read = refused = 0
    for recording in open_recordings(path):
        for images in _streams(recording):
            for row in range(len(images)):
                try:
                    read += len(list(images.source.read([row])))
                    images.source.encoded(row)
                except RecordingError:
                    refused += 1
        for use in (_frames, _signals, align):
            try:
                use(recording)
            except RecordingError:
                refused += 1
    return read, refused


def _streams(recording: Recording) -> Iterator[Images]:
    for view in recording.views:
        yield view.rgb
        if view.depth is not None:
            yield view.depth


def _frames(recording: Recording) -> None:
    for frame in read_frames(recording, frame_index(recording)):
        assert frame.t_ns >= -(1 << 62)


def _signals(recording: Recording) -> None:
    signal_rows(recording)


def main(whole: Path, scratch: Path, start: int, stop: int) -> None:
    """Run the cases ``[start, stop)``."""
    faulthandler.enable()
    warnings.simplefilter("ignore")
    tree = read_tree(whole)
    exercise(whole)
    used = _status("VmSize")
    resource.setrlimit(resource.RLIMIT_AS, (used + MORE_ADDRESSES,) * 2)
    before = _status("VmHWM")
    for case in range(start, stop):
        print("START", case, flush=True)
        path = scratch / f"{case}" / whole.name
        write_tree(path, damaged(tree, case))
        faulthandler.dump_traceback_later(MAX_SECONDS, exit=True)
        print(_outcome(path), flush=True)
        faulthandler.cancel_dump_traceback_later()
        if (more := _status("VmHWM") - before) > MORE_MEMORY:
            print("FAILED took", more >> 20, "MiB", flush=True)
            before += more
        shutil.rmtree(scratch / f"{case}")


def _outcome(path: Path) -> str:
    try:
        read, refused = exercise(path)
    except RecordingError as error:
        return "REFUSED" if str(error) else "FAILED with an error that says nothing"
    except Exception:
        return "FAILED " + traceback.format_exc().replace("\n", "\\n")
    return f"OPENED {read} {refused}"


def _status(field: str) -> int:
    """A size of this process in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) << 10
    raise LookupError(field)


def forked(whole: str, scratch: str, start: int, stop: int, out: str) -> int:
    """Run the cases in a process forked from this one; its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        for stream, path in ((sys.stdout, out), (sys.stderr, out + ".err")):
            with Path(path).open("wb") as file:
                os.dup2(file.fileno(), stream.fileno())
        main(Path(whole), Path(scratch), start, stop)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    opening = import_module("scenekeeper.recording.open")
    opening._readers = cache(opening._readers)  # type: ignore[attr-defined] # all are imported now,
    opening._readers()  # type: ignore[attr-defined] # and plug-ins are not looked for in every case
    for line in sys.stdin:
        print(forked(*json.loads(line)), flush=True)
