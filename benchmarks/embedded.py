"""The embedded networks look at 20 frames a second or more on two cores.

Claim: proposing, masks, crops and names of a 320x240 RGB-D frame, as the labeler does it, counted
in CPU time of one thread; two cores do twice as many. Limit: onnxruntime running the two networks
on ready inputs alone.
"""

from __future__ import annotations

import statistics
import time

import numpy as np

from benchmarks.harness import Result

FRAMES = 40
CORES = 2


def run() -> Result:
    from scenekeeper.ground.look import look
    from scenekeeper.ground.prepare import crops, namer_input, proposer_input
    from scenekeeper.ground.propose import propose
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
    proposer, namer = load("proposer"), load("namer")
    whole, bare, found = [], [], []
    for k in range(FRAMES + 1):
        T = glance(home, rng)
        rgb, depth = develop(film(scene, lit, camera, T)), see(scene, camera, T).depth
        a = time.process_time()
        proposals = propose(proposer, rgb, depth)
        masks = proposals.dense((240, 320))
        look(namer, rgb, depth, proposals.box_xyxy, masks, focal)
        b = time.process_time()
        x = proposer_input(rgb, depth, 256)[None]
        inputs = namer_input(*crops(rgb, depth, proposals.box_xyxy, masks, focal))
        c = time.process_time()
        proposer(rgbd=x)
        if len(proposals):
            namer(crop=inputs[0], measures=inputs[1])
        d = time.process_time()
        if k:
            whole.append(b - a)
            bare.append(d - c)
            found.append(len(proposals))
    return Result(
        name="embedded",
        input=f"{FRAMES} RGB-D frames of 320x240, {statistics.mean(found):.0f} proposals each",
        unit="frames/s on two cores",
        ours=CORES / statistics.median(whole),
        target=20.0,
        target_of="ours",
        better="more",
        limit=CORES / statistics.median(bare),
        limit_name="the two networks alone",
        note=f"{1e3 * statistics.median(whole):.0f} CPU-ms per frame",
    )
