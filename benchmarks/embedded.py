"""The embedded networks look at 20 frames a second or more on two cores.

Claim: proposals, masks, crops, a closer look and names of a 320x240 RGB-D frame, as the labeler
does it, counted in CPU time of one thread; two cores do twice as many. Limit: onnxruntime running
the three networks on ready inputs alone.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.harness import Result

FRAMES = 40
CORES = 2


def run() -> Result:
    with threadpool_limits(1, user_api="blas"):  # as in the engine
        return _run()


def _run() -> Result:
    from scenekeeper.ground.prepare import crops, namer_input, proposer_input, refiner_input
    from scenekeeper.ground.propose import propose
    from scenekeeper.ground.stages import GroundConfig
    from scenekeeper.ground.stages import see as look
    from scenekeeper.ground.weights import load
    from scenekeeper.simulate.home import furnish
    from scenekeeper.simulate.render import assemble, develop, film, light, see
    from scenekeeper.simulate.session import pinhole
    from scenekeeper.simulate.textures import textures
    from scenekeeper.simulate.viewpoints import glance

    camera = pinhole("camera", 320, 240)
    focal = float(camera.intrinsics[0, 0]) if camera.intrinsics is not None else 0.0
    home = furnish(10_001, clutter=1.5)
    scene = assemble(home.parts(), textures(41))
    lit = light(scene, home.lamps, home.ambient)
    rng = np.random.default_rng(0)
    proposer, refiner, namer = (load(n) for n in ("proposer", "refiner", "namer"))
    whole, bare, found = [], [], []
    for k in range(FRAMES + 1):
        T = glance(home, rng)
        rgb, depth = develop(film(scene, lit, camera, T)), see(scene, camera, T).depth
        a = time.process_time()
        kept, _ = look(rgb, depth, focal)
        b = time.process_time()
        rough = propose(proposer, rgb, depth, GroundConfig().propose)
        x = proposer_input(rgb, depth, 256)[None]
        seen = crops(rgb, depth, rough.box_xyxy, rough.dense((240, 320)), focal)
        again, named = refiner_input(*seen, np.zeros(len(rough))), namer_input(*seen)
        c = time.process_time()
        proposer(rgbd=x)
        if len(rough):
            refiner(crop=again[0], measures=again[1])
            namer(crop=named[0][: len(kept)], measures=named[1][: len(kept)])
        d = time.process_time()
        if k:
            whole.append(b - a)
            bare.append(d - c)
            found.append((len(rough), len(kept)))
    rough_mean, kept_mean = np.mean(found, axis=0)
    return Result(
        name="embedded",
        input=f"{FRAMES} RGB-D frames of 320x240, {rough_mean:.0f} proposals each,"
        f" {kept_mean:.0f} kept",
        unit="frames/s on two cores",
        ours=CORES / statistics.median(whole),
        target=20.0,
        target_of="ours",
        better="more",
        limit=CORES / statistics.median(bare),
        limit_name="the three networks alone",
        note=f"{1e3 * statistics.median(whole):.0f} CPU-ms per frame",
    )
