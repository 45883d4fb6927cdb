"""A labelled dataset of 54,000 frames to open a review on: half an hour at thirty a second.

Its labels are as many as a night's and as simple as can be: boxes that wander over noise.
"""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pyarrow as pa

from scenekeeper import masks, schema
from scenekeeper.recording import open_recording
from scenekeeper.recording.frames import frame_index
from scenekeeper.store import Dataset, SessionInfo

SESSIONS, FRAMES, CLIP = 6, 9000, 600
TRACKS, SEEN = 405, 180
"""Tracks of a session, and frames that each is seen in: eight or so in a frame."""
PHRASES = ("mug", "bowl", "book", "chair", "lamp", "sofa", "plate", "box", "bottle", "plant")
WIDTH, HEIGHT = 640, 480


def make(path: Path) -> Dataset:
    """Write the dataset at ``path / "long.sk"`` and its video beside it."""
    recording = open_recording(_video(path / "walk.mp4"))
    dataset = Dataset.create(path / "long.sk")
    frames = frame_index(recording)
    cameras = tuple(view.camera for view in recording.views)
    clips = (*range(0, FRAMES, CLIP), FRAMES)
    source, content = str(recording.path), recording.content
    for k in range(SESSIONS):
        name = f"walk-{k:02d}"
        info = SessionInfo(name, source, recording.format, content, cameras, clips)
        index = frames.set_column(0, "session", pa.array([name] * FRAMES))
        dataset.add_session(info, index, schema.SIGNALS.empty_table())
        rows = _labels(name, frames["t_ns"].to_numpy(), np.random.default_rng(k))
        ids = rows["frame_id"].to_numpy()
        for c in range(len(clips) - 1):
            low, high = np.searchsorted(ids, clips[c : c + 2])
            dataset.write_segment(rows.slice(low, high - low), "instances", "i", name, c)
        dataset.write_segment(_objects(name, k), "objects", "o", name)
        dataset.set_current(name, {"instances": "i", "objects": "o"})
    return dataset


def _video(path: Path) -> Path:
    """Ten seconds, over and over; every picture can be told from its neighbours."""
    noise = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH * 2, 3), np.uint8)
    smooth = noise // 4 + np.roll(noise, 1, 1) // 4 + np.roll(noise, 2, 1) // 4 + 32
    with av.open(str(path), "w") as file:
        options = {"preset": "ultrafast", "crf": "35", "bf": "0"}
        stream = file.add_stream("libx264", rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.gop_size = 30
        packets = []
        for k in range(300):
            part = np.ascontiguousarray(smooth[:, k : k + WIDTH])
            frame = av.VideoFrame.from_ndarray(part, format="rgb24")
            frame.pts = k
            packets += stream.encode(frame)
        packets += stream.encode(None)
        tick = int(1 / 30 / packets[0].time_base)
        for k in range(FRAMES):
            kept = packets[k % len(packets)]
            packet = av.Packet(bytes(kept))
            packet.stream, packet.time_base, packet.is_keyframe = (
                stream,
                kept.time_base,
                kept.is_keyframe,
            )
            packet.pts = packet.dts = k * tick
            file.mux(packet)
    return path


def _labels(session: str, t_ns: np.ndarray, rng: np.random.Generator) -> pa.Table:
    starts = np.linspace(0, FRAMES - SEEN, TRACKS).astype(int)
    track = np.repeat(np.arange(TRACKS), SEEN)
    frame = (starts[:, None] + np.arange(SEEN)).reshape(-1)
    step = rng.normal(0, 2, (TRACKS, SEEN, 2)).cumsum(1).reshape(-1, 2)
    corner = np.repeat(rng.uniform(60, (WIDTH - 160, HEIGHT - 160), (TRACKS, 2)), SEEN, 0) + step
    side = np.repeat(rng.uniform(24, 96, TRACKS), SEEN)
    box = np.column_stack((corner, corner + side[:, None])).clip(0, (WIDTH, HEIGHT) * 2)
    order = np.lexsort((track, frame))
    track, frame, box = track[order], frame[order], box[order].astype(np.float32)
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[100:160, 100:160] = True
    first = np.searchsorted(frame, frame)
    n = len(track)
    one_signal = schema.INSTANCES.field("signals").type
    columns = {
        "session": [session] * n,
        "frame_id": frame,
        "t_ns": t_ns[frame],
        "instance": (np.arange(n) - first).astype(np.int32),
        "track": track,
        "box_xyxy": pa.FixedSizeListArray.from_arrays(pa.array(box.reshape(-1)), 4),
        "mask": [masks.encode(mask)] * n,
        "height": np.full(n, HEIGHT, np.int32),
        "width": np.full(n, WIDTH, np.int32),
        "area": np.full(n, 3600, np.int32),
        "phrase": [PHRASES[k % len(PHRASES)] for k in track.tolist()],
        "score": rng.uniform(0.2, 1, n).astype(np.float32),
        "p": pa.nulls(n, pa.float32()),
        "signals": pa.array([[("detector_score", 0.5)]] * n, one_signal),
        "flags": pa.array([[]] * n, pa.list_(pa.string())),
        "status": ["auto"] * n,
    }
    return pa.table(columns, schema.INSTANCES)


def _objects(session: str, number: int) -> pa.Table:
    """Every track is a thing of its own, but for the first twenty, which all sessions share."""
    columns = {name: [None] * TRACKS for name in schema.OBJECTS.names}
    columns["session"] = [session] * TRACKS
    columns["object"] = [k if k < 20 else 1000 * (number + 1) + k for k in range(TRACKS)]
    columns["track"] = list(range(TRACKS))
    columns["phrase"] = [PHRASES[k % len(PHRASES)] for k in range(TRACKS)]
    columns["status"] = ["auto"] * TRACKS
    columns["center"] = [[float(k % 9), float(k // 9), 0.8] for k in range(TRACKS)]
    columns["frames"] = [SEEN] * TRACKS
    columns["extent"] = [[0.2, 0.2, 0.2]] * TRACKS
    columns["R_world_box"] = [[1.0, 0, 0, 0, 1, 0, 0, 0, 1]] * TRACKS
    return pa.table(columns, schema.OBJECTS)
