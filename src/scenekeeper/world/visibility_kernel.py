"""The compiled inner loop of :mod:`scenekeeper.world.visibility`; importing it imports numba."""

from __future__ import annotations

from numba import njit

HIT, THROUGH, OCCLUDED, UNKNOWN, OUTSIDE = range(5)


@njit(cache=True, fastmath=True)
def look(points, start, depth, K, T, near, far, slack, slope, counts, window):  # type: ignore[no-untyped-def]
    """Add what a depth image says of every object's samples to ``counts [N, 5]``.

    ``window[n]`` is widened to the pixels u0, v0, u1, v1 that the samples in view fall on.
    ``T`` is ``T_camera_world``.
    """
    height, width = depth.shape
    for n in range(start.shape[0] - 1):
        for k in range(start[n], start[n + 1]):
            x, y, z = points[k, 0], points[k, 1], points[k, 2]
            zc = T[2, 0] * x + T[2, 1] * y + T[2, 2] * z + T[2, 3]
            if zc < near or zc > far:
                counts[n, OUTSIDE] += 1
                continue
            xc = T[0, 0] * x + T[0, 1] * y + T[0, 2] * z + T[0, 3]
            yc = T[1, 0] * x + T[1, 1] * y + T[1, 2] * z + T[1, 3]
            uf = (K[0, 0] * xc + K[0, 1] * yc) / zc + K[0, 2]
            vf = K[1, 1] * yc / zc + K[1, 2]
            if not (0.5 <= uf < width - 1.5 and 0.5 <= vf < height - 1.5):
                counts[n, OUTSIDE] += 1
                continue
            u, v = int(uf + 0.5), int(vf + 0.5)
            window[n, 0] = min(window[n, 0], uf)
            window[n, 1] = min(window[n, 1], vf)
            window[n, 2] = max(window[n, 2], uf)
            window[n, 3] = max(window[n, 3], vf)
            least, most, known = 1e9, 0.0, 0
            for dv in range(-1, 2):
                for du in range(-1, 2):
                    d = depth[v + dv, u + du]
                    if d > 0:
                        known += 1
                        least = min(least, d)
                        most = max(most, d)
            tolerance = slack + slope * zc
            if known < 5:
                counts[n, UNKNOWN] += 1
            elif least > zc + tolerance:
                counts[n, THROUGH] += 1
            elif most < zc - tolerance:
                counts[n, OCCLUDED] += 1
            else:
                counts[n, HIT] += 1
