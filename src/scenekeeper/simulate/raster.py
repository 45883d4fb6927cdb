"""The renderer's kernels: triangles to pixels, pixels to light. Compiled by numba, cached on disk.

Rasterisation is done in homogeneous coordinates (Olano and Greer, "Triangle scan conversion using
2D homogeneous coordinates", 1997), so nothing is ever clipped. A pixel belongs to one thread, so
the number of threads does not change a single bit.
"""

# ruff: noqa: RUF046, PLW3301  (the compiler wants integers and pairs said in so many words)

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange


@njit(cache=True, fastmath=True)
def project(vertices, M, t, out):  # type: ignore[no-untyped-def]
    """Homogeneous pixels ``[V, 3]`` (u z, v z, z) of world points, by ``M = K R`` and ``t``."""
    for i in range(vertices.shape[0]):
        x, y, z = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        for k in range(3):
            out[i, k] = M[k, 0] * x + M[k, 1] * y + M[k, 2] * z + t[k]


@njit(cache=True, fastmath=True)
def set_up(points, triangles, two_sided, width, height, near, edges, bounds):  # type: ignore[no-untyped-def]
    """Edge functions and pixel bounds of every triangle.

    ``edges[t]`` holds three linear functions of the pixel that give barycentric weight over depth;
    ``bounds[t]`` is x0, x1, y0, y1, inclusive, empty (x1 < x0) when the triangle cannot be seen.
    """
    for t in range(triangles.shape[0]):
        bounds[t, 0], bounds[t, 1], bounds[t, 2], bounds[t, 3] = 1, 0, 1, 0
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        xa, ya, za = points[a, 0], points[a, 1], points[a, 2]
        xb, yb, zb = points[b, 0], points[b, 1], points[b, 2]
        xc, yc, zc = points[c, 0], points[c, 1], points[c, 2]
        if za < near and zb < near and zc < near:
            continue
        e00, e01, e02 = yb * zc - zb * yc, zb * xc - xb * zc, xb * yc - yb * xc
        volume = xa * e00 + ya * e01 + za * e02
        if volume == 0.0 or (volume > 0.0 and not two_sided[t]):
            continue
        x0, x1, y0, y1 = 0, width - 1, 0, height - 1
        if za >= near and zb >= near and zc >= near:
            ua, ub, uc = xa / za, xb / zb, xc / zc
            va, vb, vc = ya / za, yb / zb, yc / zc
            left, right = min(ua, min(ub, uc)), max(ua, max(ub, uc))
            top, bottom = min(va, min(vb, vc)), max(va, max(vb, vc))
            if right < 0 or bottom < 0 or left > width - 1 or top > height - 1:
                continue
            x0, x1 = max(0, int(math.ceil(left))), min(width - 1, int(math.floor(right)))
            y0, y1 = max(0, int(math.ceil(top))), min(height - 1, int(math.floor(bottom)))
            if x1 < x0 or y1 < y0:
                continue
        s = 1.0 / volume
        edges[t, 0], edges[t, 1], edges[t, 2] = e00 * s, e01 * s, e02 * s
        edges[t, 3] = (yc * za - zc * ya) * s
        edges[t, 4] = (zc * xa - xc * za) * s
        edges[t, 5] = (xc * ya - yc * xa) * s
        edges[t, 6] = (ya * zb - za * yb) * s
        edges[t, 7] = (za * xb - xa * zb) * s
        edges[t, 8] = (xa * yb - ya * xb) * s
        bounds[t, 0], bounds[t, 1], bounds[t, 2], bounds[t, 3] = x0, x1, y0, y1


@njit(cache=True, fastmath=True)
def rasterise(edges, bounds, near, inverse_z, nearest):  # type: ignore[no-untyped-def]
    """Nearest triangle (-1 = none) and inverse depth (0 = none) of every pixel centre."""
    limit = 1.0 / near
    inverse_z[:] = 0.0
    nearest[:] = -1
    for t in range(edges.shape[0]):
        if bounds[t, 1] < bounds[t, 0]:
            continue
        a0, a1, a2 = edges[t, 0], edges[t, 3], edges[t, 6]
        slope = a0 + a1 + a2
        for y in range(bounds[t, 2], bounds[t, 3] + 1):
            c0 = edges[t, 1] * y + edges[t, 2]
            c1 = edges[t, 4] * y + edges[t, 5]
            c2 = edges[t, 7] * y + edges[t, 8]
            low, high = float(bounds[t, 0]), float(bounds[t, 1])
            # Each weight is linear along the row: it cuts the span where it turns negative.
            if a0 > 0:
                low = max(low, -c0 / a0)
            elif a0 < 0:
                high = min(high, -c0 / a0)
            elif c0 < 0:
                continue
            if a1 > 0:
                low = max(low, -c1 / a1)
            elif a1 < 0:
                high = min(high, -c1 / a1)
            elif c1 < 0:
                continue
            if a2 > 0:
                low = max(low, -c2 / a2)
            elif a2 < 0:
                high = min(high, -c2 / a2)
            elif c2 < 0:
                continue
            if high < low:
                continue
            c = c0 + c1 + c2
            for x in range(int(math.ceil(low - 1e-4)), int(math.floor(high + 1e-4)) + 1):
                q = slope * x + c
                if q > inverse_z[y, x] and q < limit:
                    inverse_z[y, x] = q
                    nearest[y, x] = t


@njit(cache=True, fastmath=True)
def resolve(inverse_z, nearest, instance, depth, ids):  # type: ignore[no-untyped-def]
    """Metric depth and instance of every pixel; 0 where there is nothing."""
    height, width = inverse_z.shape
    for y in range(height):
        for x in range(width):
            t = nearest[y, x]
            if t < 0:
                depth[y, x] = 0.0
                ids[y, x] = 0
            else:
                depth[y, x] = 1.0 / inverse_z[y, x]
                ids[y, x] = instance[t]


@njit(cache=True)
def spans(shadow, out):  # type: ignore[no-untyped-def]
    """Least and most ``float32 [S, S, 2]`` of what :func:`_lit` looks at around each place."""
    n = shadow.shape[0]
    for j in range(1, n - 2):
        for i in range(1, n - 2):
            least = most = shadow[j, i]
            for dy in range(-1, 3):
                for dx in range(-1, 3):
                    q = shadow[j + dy, i + dx]
                    least, most = min(least, q), max(most, q)
            out[j, i, 0], out[j, i, 1] = least, most


@njit(inline="always")
def _lit(shadow, span, M, t, x, y, z):  # type: ignore[no-untyped-def]
    """Share of a lamp that reaches a point: four by four looks into its inverse-depth map."""
    w = M[2, 0] * x + M[2, 1] * y + M[2, 2] * z + t[2]
    if w <= 0.02:
        return np.float32(1.0)
    u = (M[0, 0] * x + M[0, 1] * y + M[0, 2] * z + t[0]) / w - np.float32(0.5)
    v = (M[1, 0] * x + M[1, 1] * y + M[1, 2] * z + t[1]) / w - np.float32(0.5)
    n = shadow.shape[0]
    if u < 1 or v < 1 or u >= n - 3 or v >= n - 3:
        return np.float32(1.0)
    q = np.float32(1.0) / (w - np.float32(0.012))
    i, j = int(u), int(v)
    if q >= span[j, i, 1]:  # nothing is nearer to the lamp anywhere around, or everything
        return np.float32(1.0)
    if q < span[j, i, 0]:
        return np.float32(0.0)
    fu, fv = u - np.float32(i), v - np.float32(j)
    s = np.float32(0.0)
    for dy in range(-1, 3):
        wy = np.float32(1.0) - fv if dy == -1 else (fv if dy == 2 else np.float32(1.0))
        row = np.float32(0.0)
        if q >= shadow[j + dy, i - 1]:
            row += np.float32(1.0) - fu
        if q >= shadow[j + dy, i]:
            row += np.float32(1.0)
        if q >= shadow[j + dy, i + 1]:
            row += np.float32(1.0)
        if q >= shadow[j + dy, i + 2]:
            row += fu
        s += row * wy
    return s * np.float32(1.0 / 9.0)


@njit(inline="always")
def _texel(textures, layer, u, v):  # type: ignore[no-untyped-def]
    """Colour of a texture, bilinear, repeated in both directions."""
    n, one = textures.shape[1], np.float32(1.0)
    u = (u - np.float32(math.floor(u))) * np.float32(n) - np.float32(0.5)
    v = (v - np.float32(math.floor(v))) * np.float32(n) - np.float32(0.5)
    i, j = int(math.floor(u)), int(math.floor(v))
    fu, fv = u - np.float32(i), v - np.float32(j)
    i0, i1 = i if i >= 0 else n - 1, i + 1 if i + 1 < n else 0
    j0, j1 = j if j >= 0 else n - 1, j + 1 if j + 1 < n else 0
    w00, w01, w10, w11 = (one - fv) * (one - fu), (one - fv) * fu, fv * (one - fu), fv * fu
    a, b = textures[layer, j0, i0], textures[layer, j0, i1]
    c, d = textures[layer, j1, i0], textures[layer, j1, i1]
    return (
        a[0] * w00 + b[0] * w01 + c[0] * w10 + d[0] * w11,
        a[1] * w00 + b[1] * w01 + c[1] * w10 + d[1] * w11,
        a[2] * w00 + b[2] * w01 + c[2] * w10 + d[2] * w11,
    )


@njit(parallel=True, cache=True, fastmath=True)
def shade(  # type: ignore[no-untyped-def]
    inverse_z,
    nearest,
    edges,
    vertices,
    triangles,
    normals,
    uv,
    material,
    base,
    layer,
    gloss,
    textures,
    eye,
    lamps,
    lamp_rgb,
    lamp_M,
    lamp_t,
    shadows,
    shadow_spans,
    ambient,
    sky,
    rgb,
):
    """Linear light ``float32 [H, W, 3]`` of every pixel: Blinn-Phong under shadowed lamps.

    ``gloss`` is specular, shininess, emission and texture scale per material; ``lamps`` is
    position and falloff (0 = none); ``lamp_M``, ``lamp_t`` project the world into ``shadows``;
    ``shadow_spans`` is of :func:`spans`.
    """
    height, width = inverse_z.shape
    one, half = np.float32(1.0), np.float32(0.5)
    for y in prange(height):
        for x in range(width):
            t = nearest[y, x]
            if t < 0:
                rgb[y, x, 0], rgb[y, x, 1], rgb[y, x, 2] = sky[0], sky[1], sky[2]
                continue
            z = 1.0 / inverse_z[y, x]
            b0 = np.float32((edges[t, 0] * x + edges[t, 1] * y + edges[t, 2]) * z)
            b1 = np.float32((edges[t, 3] * x + edges[t, 4] * y + edges[t, 5]) * z)
            b2 = one - b0 - b1
            i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            px = b0 * vertices[i, 0] + b1 * vertices[j, 0] + b2 * vertices[k, 0]
            py = b0 * vertices[i, 1] + b1 * vertices[j, 1] + b2 * vertices[k, 1]
            pz = b0 * vertices[i, 2] + b1 * vertices[j, 2] + b2 * vertices[k, 2]
            nx = b0 * normals[t, 0, 0] + b1 * normals[t, 1, 0] + b2 * normals[t, 2, 0]
            ny = b0 * normals[t, 0, 1] + b1 * normals[t, 1, 1] + b2 * normals[t, 2, 1]
            nz = b0 * normals[t, 0, 2] + b1 * normals[t, 1, 2] + b2 * normals[t, 2, 2]
            vx, vy, vz = eye[0] - px, eye[1] - py, eye[2] - pz
            s = one / math.sqrt(vx * vx + vy * vy + vz * vz + np.float32(1e-12))
            vx, vy, vz = vx * s, vy * s, vz * s
            s = one / math.sqrt(nx * nx + ny * ny + nz * nz + np.float32(1e-12))
            if nx * vx + ny * vy + nz * vz < 0:
                s = -s
            nx, ny, nz = nx * s, ny * s, nz * s
            m = material[t]
            r, g, b = base[m, 0], base[m, 1], base[m, 2]
            if layer[m] >= 0:
                scale = gloss[m, 3]
                u = (b0 * uv[t, 0, 0] + b1 * uv[t, 1, 0] + b2 * uv[t, 2, 0]) * scale
                v = (b0 * uv[t, 0, 1] + b1 * uv[t, 1, 1] + b2 * uv[t, 2, 1]) * scale
                tr, tg, tb = _texel(textures, layer[m], u, v)
                r, g, b = r * tr, g * tg, b * tb
            h = half + half * nz
            floor = np.float32(0.55) + np.float32(0.45) * h
            dr, dg = ambient[0] * floor + gloss[m, 2], ambient[1] * floor + gloss[m, 2]
            db = ambient[2] * (half + half * h) + gloss[m, 2]
            sr = sg = sb = np.float32(0.0)
            for n in range(lamps.shape[0]):
                lx, ly, lz = lamps[n, 0] - px, lamps[n, 1] - py, lamps[n, 2] - pz
                d2 = lx * lx + ly * ly + lz * lz
                s = one / math.sqrt(d2 + np.float32(1e-9))
                lx, ly, lz = lx * s, ly * s, lz * s
                cosine = nx * lx + ny * ly + nz * lz
                if cosine <= 0:
                    continue
                off = np.float32(0.012)
                lit = _lit(
                    shadows[n],
                    shadow_spans[n],
                    lamp_M[n],
                    lamp_t[n],
                    px + nx * off,
                    py + ny * off,
                    pz + nz * off,
                )
                if lit <= 0:
                    continue
                if lamps[n, 3] > 0:
                    lit *= lamps[n, 3] / (lamps[n, 3] + d2)
                dr += lamp_rgb[n, 0] * cosine * lit
                dg += lamp_rgb[n, 1] * cosine * lit
                db += lamp_rgb[n, 2] * cosine * lit
                if gloss[m, 0] > 0:
                    hx, hy, hz = lx + vx, ly + vy, lz + vz
                    s = one / math.sqrt(hx * hx + hy * hy + hz * hz + np.float32(1e-9))
                    facing = (nx * hx + ny * hy + nz * hz) * s
                    if facing > np.float32(0.7):
                        shine = gloss[m, 0] * lit * facing ** gloss[m, 1]
                        sr += shine * lamp_rgb[n, 0]
                        sg += shine * lamp_rgb[n, 1]
                        sb += shine * lamp_rgb[n, 2]
            rgb[y, x, 0] = r * dr + sr
            rgb[y, x, 1] = g * dg + sg
            rgb[y, x, 2] = b * db + sb


@njit(parallel=True, cache=True, fastmath=True)
def occlusion(inverse_z, radius, focal, offsets, step, open_share):  # type: ignore[no-untyped-def]
    """Screen-space ambient occlusion at every ``step``-th pixel, ``open_share`` 1 = open.

    ``offsets[8, 8, P, 2]``: per pixel of an 8x8 tile P looks within the unit disk. A pair of
    opposite looks darkens where both, on average, are nearer than the plane through the pixel.
    """
    height, width = inverse_z.shape
    rows, columns = open_share.shape
    for j in prange(rows):
        for i in range(columns):
            y, x = min(j * step, height - 1), min(i * step, width - 1)
            q = inverse_z[y, x]
            if q <= 0:
                open_share[j, i] = 1.0
                continue
            z = 1.0 / q
            reach = min(40.0, max(2.0, radius * focal * q))
            dark = 0.0
            for p in range(offsets.shape[2]):
                dx = int(offsets[j & 7, i & 7, p, 0] * reach)
                dy = int(offsets[j & 7, i & 7, p, 1] * reach)
                qa = inverse_z[min(height - 1, max(0, y + dy)), min(width - 1, max(0, x + dx))]
                qb = inverse_z[min(height - 1, max(0, y - dy)), min(width - 1, max(0, x - dx))]
                if qa <= 0 or qb <= 0:
                    continue
                nearer = (0.5 * (qa + qb) - q) * z * z
                if nearer > 0.004:
                    dark += min(1.0, nearer / (0.35 * radius)) * max(
                        0.0, 1.0 - nearer / (3.0 * radius)
                    )
            open_share[j, i] = 1.0 - 0.75 * dark / offsets.shape[2]


@njit(cache=True, fastmath=True)
def dim(rgb, open_share, step):  # type: ignore[no-untyped-def]
    """Multiply light in place by the open share of the sky, interpolated to every pixel."""
    height, width, _ = rgb.shape
    rows, columns = open_share.shape
    scale = np.float32(1.0 / step)
    for y in range(height):
        v = y * scale
        j = min(int(v), rows - 1)
        j1, fv = min(j + 1, rows - 1), v - j
        for x in range(width):
            u = x * scale
            i = min(int(u), columns - 1)
            i1, fu = min(i + 1, columns - 1), u - i
            a = open_share[j, i] * (1 - fu) + open_share[j, i1] * fu
            b = open_share[j1, i] * (1 - fu) + open_share[j1, i1] * fu
            s = a * (1 - fv) + b * fv
            for c in range(3):
                rgb[y, x, c] *= s


@njit(parallel=True, cache=True, fastmath=True)
def develop(rgb, exposure, curve, out):  # type: ignore[no-untyped-def]
    """Linear light to 8 bits by a tone curve ``uint8 [N]`` over square root of 0..8 times white."""
    height, width, _ = rgb.shape
    n = curve.shape[0]
    scale = np.float32((n - 1) / math.sqrt(8.0))
    for y in prange(height):
        for x in range(width):
            for c in range(3):
                v = math.sqrt(max(np.float32(0.0), rgb[y, x, c] * exposure)) * scale
                out[y, x, c] = curve[min(n - 1, int(v + np.float32(0.5)))]


@njit(cache=True)
def cover(edges, bounds, instance, near, stamp, count):  # type: ignore[no-untyped-def]
    """How many pixels each instance would cover if it were alone, up to ``len(count)`` instances.

    Triangles of an instance must follow one another; ``stamp [H, W]`` starts as zeros.
    """
    limit = 1.0 / near
    for t in range(edges.shape[0]):
        i = instance[t]
        if i <= 0 or i >= count.shape[0] or bounds[t, 1] < bounds[t, 0]:
            continue
        for y in range(bounds[t, 2], bounds[t, 3] + 1):
            for x in range(bounds[t, 0], bounds[t, 1] + 1):
                w0 = edges[t, 0] * x + edges[t, 1] * y + edges[t, 2]
                w1 = edges[t, 3] * x + edges[t, 4] * y + edges[t, 5]
                w2 = edges[t, 6] * x + edges[t, 7] * y + edges[t, 8]
                if w0 < 0 or w1 < 0 or w2 < 0 or w0 + w1 + w2 >= limit:
                    continue
                if stamp[y, x] != i:
                    stamp[y, x] = i
                    count[i] += 1
