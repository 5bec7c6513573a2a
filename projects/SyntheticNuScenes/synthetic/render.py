"""Camera images by ray casting, with range and owner of every pixel."""

from typing import NamedTuple

import numba
import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic import ground as surface
from mmocc.projects.SyntheticNuScenes.synthetic.first_surface import (
    first_surfaces,
)
from mmocc.projects.SyntheticNuScenes.synthetic.ground import (
    BAY,
    PLAZA,
    RESOLUTION,
    ROAD,
    WALK,
    WHITE,
    Ground,
)
from mmocc.projects.SyntheticNuScenes.synthetic.light import Light
from mmocc.projects.SyntheticNuScenes.synthetic.raycast import (
    BLUE,
    BOX,
    CONE,
    COS,
    DETAIL,
    ELLIPSOID,
    GREEN,
    GROUND,
    HX,
    HY,
    HZ,
    INSTANCE,
    KIND,
    MATERIAL,
    RED,
    SIN,
    SKY,
    STATIC,
    Scene,
    X,
    Y,
    Z,
    cast,
)
from mmocc.projects.SyntheticNuScenes.synthetic.shapes import (
    BARK,
    BRICK,
    FACADE,
    FOLIAGE,
    GLASS,
    LAMP,
    PANEL,
    STRIPES,
)

FAR = 400.0  # metres of depth; what is further away is sky
_SHADOW_RANGE, _SHADOW_LENGTH = 50.0, 30.0
_DIM = 0.12  # strength of the sun below which nothing casts a shadow
_FLOOR = 3.1  # metres of a storey
# The ego car's headlights: from its reference point to them, their reach, the
# half width of their beam at the car and how it widens. Ours.
_LAMP_FRONT, _LAMP_HEIGHT, _LAMP_REACH = 3.2, 0.7, 16.0
_BEAM_WIDTH, _BEAM_SPREAD = 1.6, 0.34
# Share of a headlight that a surface along its beam still throws back.
_GRAZING = 0.35

# Surfaces of one class share a family of colours: dark grey roads, light grey
# walks, green and olive terrain, brick-red islands and yards.
_GROUND_RGB = {
    surface.GRASS: (92, 116, 62),
    surface.ROAD: (84, 85, 88),
    surface.WALK: (150, 146, 140),
    surface.MEDIAN: (148, 98, 82),
    surface.WHITE: (226, 226, 220),
    surface.YELLOW: (214, 172, 62),
    surface.KERB: (184, 182, 176),
    surface.DIRT: (126, 116, 70),
    surface.LOT: (136, 92, 86),
    surface.PLAZA: (166, 156, 142),
    surface.BAY: (94, 92, 94),
}
# How rough each surface looks: amplitude of its noise.
_GROUND_NOISE = {
    surface.GRASS: 0.2,
    surface.DIRT: 0.16,
    surface.PLAZA: 0.06,
    surface.WALK: 0.06,
    surface.WHITE: 0.05,
    surface.YELLOW: 0.05,
}


class Appearance(NamedTuple):
    """Colours and light of a scene as arrays for the compiled renderer.

    Attributes:
        ground (np.ndarray): (11, 4) RGB and noise of each surface code.
        sun (np.ndarray): (3,) unit vector.
        light (np.ndarray): Ambient, direct, haze range, clouds, wetness,
            three gains, headlights.
        zenith, horizon (np.ndarray): (3,) RGB.
        ego (np.ndarray): (3,) x, y, yaw of the car whose headlights shine.
        seed (int): Of all textures.
    """

    ground: np.ndarray
    sun: np.ndarray
    light: np.ndarray
    zenith: np.ndarray
    horizon: np.ndarray
    ego: np.ndarray
    seed: int


def make_look(light: Light, rng: np.random.Generator) -> Appearance:
    """Draw the colours of a scene."""
    table = np.zeros((11, 4))
    for code, rgb in _GROUND_RGB.items():
        gain = rng.uniform(0.92, 1.08)
        tint = rng.uniform(0.97, 1.03, 3)
        table[code] = (
            *(np.array(rgb) * gain * tint),
            _GROUND_NOISE.get(code, 0.07),
        )
    return Appearance(
        table,
        np.asarray(light.sun, float),
        np.array(
            [
                light.ambient,
                light.direct,
                light.haze,
                light.clouds,
                light.wet,
                *light.tint,
                light.lamps,
            ]
        ),
        np.array(light.zenith, float),
        np.array(light.horizon, float),
        np.zeros(3),
        int(rng.integers(1 << 20)),
    )


@numba.njit(cache=True)
def _hash(a, b, c, seed):
    """Uniform number in [0, 1) for a lattice point."""
    h = a * 73856093 ^ b * 19349663 ^ c * 83492791 ^ seed * 2654435761
    h &= 0xFFFFFFFF
    h = ((h >> 16) ^ h) * 0x45D9F3B & 0xFFFFFFFF
    h = ((h >> 16) ^ h) * 0x45D9F3B & 0xFFFFFFFF
    h = (h >> 16) ^ h
    return (h & 0xFFFFFF) / 16777216.0


@numba.njit(cache=True)
def _noise(x, y, z, cell, seed):
    return _hash(
        int(np.floor(x / cell)),
        int(np.floor(y / cell)),
        int(np.floor(z / cell)),
        seed,
    )


@numba.njit(cache=True)
def _smooth_noise(x, y, cell, seed):
    """Bilinear value noise in [0, 1)."""
    u, v = x / cell, y / cell
    i, j = int(np.floor(u)), int(np.floor(v))
    u, v = u - i, v - j
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    low = _hash(i, j, 0, seed) * (1 - u) + _hash(i + 1, j, 0, seed) * u
    high = (
        _hash(i, j + 1, 0, seed) * (1 - u) + _hash(i + 1, j + 1, 0, seed) * u
    )
    return low * (1 - v) + high * v


@numba.njit(cache=True)
def _normal(solids, p, x, y, z):
    """Outward normal at a surface point, and local coordinates."""
    px, py, pz = x - solids[p, X], y - solids[p, Y], z - solids[p, Z]
    cos, sin = solids[p, COS], solids[p, SIN]
    lx, ly = cos * px + sin * py, cos * py - sin * px
    nx, ny, nz = 0.0, 0.0, 0.0
    kind = solids[p, KIND]
    if kind == BOX:
        ax = abs(lx) - solids[p, HX]
        ay = abs(ly) - solids[p, HY]
        az = abs(pz) - solids[p, HZ]
        if ax >= ay and ax >= az:
            nx = 1.0 if lx > 0 else -1.0
        elif ay >= az:
            ny = 1.0 if ly > 0 else -1.0
        else:
            nz = 1.0 if pz > 0 else -1.0
    elif kind == ELLIPSOID:
        nx = lx / (solids[p, HX] * solids[p, HX])
        ny = ly / (solids[p, HY] * solids[p, HY])
        nz = pz / (solids[p, HZ] * solids[p, HZ])
    else:
        nx, ny = lx, ly
        if kind == CONE:
            nz = np.sqrt(lx * lx + ly * ly) * 0.4
        elif abs(abs(pz) - solids[p, HZ]) < 1e-3:
            nx, ny, nz = 0.0, 0.0, 1.0 if pz > 0 else -1.0
    norm = np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
    nx, ny, nz = nx / norm, ny / norm, nz / norm
    return (
        cos * nx - sin * ny, sin * nx + cos * ny, nz,
        lx, ly, pz, abs(nx) > abs(ny),
    )  # fmt: skip


@numba.njit(cache=True)
def _sky(dx, dy, dz, look, out):
    up = max(dz, 0.0)
    blend = (1.0 - up) ** 4
    clouds = look.light[3]
    cover = 0.0
    if up > 0.02 and clouds > 0.0:
        x, y = dx / (up + 0.15) * 3.0, dy / (up + 0.15) * 3.0
        value = 0.6 * _smooth_noise(x, y, 1.3, look.seed)
        value += 0.3 * _smooth_noise(x, y, 0.5, look.seed + 1)
        value += 0.1 * _smooth_noise(x, y, 0.2, look.seed + 2)
        low = 0.72 - 0.4 * clouds
        cover = min(max((value - low) / 0.25, 0.0), 1.0) * min(up * 6.0, 1.0)
        cover *= 0.75
    for c in range(3):
        base = look.zenith[c] * (1 - blend) + look.horizon[c] * blend
        out[c] = base * (1 - cover) + (0.4 * look.horizon[c] + 142.0) * cover


@numba.njit(cache=True)
def _ground_colour(x, y, t, codes, x0, y0, look, out):
    # Colours are blended over the four nearest cells, or paint has stairs.
    u = (x - x0) / RESOLUTION - 0.5
    v = (y - y0) / RESOLUTION - 0.5
    i, j = int(np.floor(u)), int(np.floor(v))
    u, v = u - i, v - j
    out[0], out[1], out[2] = 0.0, 0.0, 0.0
    code, best = 0, -1.0
    for k in range(4):
        a, b = i + (k & 1), j + (k >> 1)
        share = (u if k & 1 else 1.0 - u) * (v if k >> 1 else 1.0 - v)
        cell = 0
        if 0 <= a < codes.shape[1] and 0 <= b < codes.shape[0]:
            cell = codes[b, a]
        for c in range(3):
            out[c] += share * look.ground[cell, c]
        if share > best:
            code, best = cell, share
    seed = look.seed
    near = min(max(1.0 - t / 50.0, 0.0), 1.0)
    grain = look.ground[code, 3]
    value = 1.0 + grain * near * (2 * _noise(x, y, 0.0, 0.08, seed) - 1)
    value += 0.12 * (_smooth_noise(x, y, 3.7, seed + 3) - 0.5)
    value += 0.5 * grain * (2 * _smooth_noise(x, y, 0.6, seed + 4) - 1)
    if code == ROAD or code == BAY:
        patch = _smooth_noise(x, y, 9.0, seed + 5)
        value *= 0.94 if patch > 0.7 else 1.0
    elif code == WALK or code == PLAZA:
        tile = 1.2 if code == WALK else 0.8
        u, v = x / tile - np.floor(x / tile), y / tile - np.floor(y / tile)
        if (u < 0.06 or v < 0.06) and t < 30.0:
            value *= 0.86
        value *= 0.96 + 0.08 * _noise(x, y, 0.0, tile, seed + 6)
    for c in range(3):
        out[c] *= value
    return code


@numba.njit(cache=True)
def _solid_colour(solids, p, x, y, z, t, look, out):
    """Fill the colour; return the normal and whether it emits light."""
    nx, ny, nz, lx, ly, lz, on_x = _normal(solids, p, x, y, z)
    material = int(solids[p, MATERIAL])
    value = 1.0
    shines = material == LAMP
    seed = look.seed + p * 7
    near = min(max(1.0 - t / 60.0, 0.0), 1.0)
    r, g, b = solids[p, RED], solids[p, GREEN], solids[p, BLUE]
    if material == FACADE and abs(nz) < 0.5:
        along = ly if on_x else lx
        half = solids[p, HY] if on_x else solids[p, HX]
        count = max(int(2 * half / solids[p, DETAIL]), 1)
        bay = 2 * half / count
        u = (along + half) / bay
        v = (lz + solids[p, HZ]) / _FLOOR
        column, storey = int(np.floor(u)), int(np.floor(v))
        u, v = u - column, v - storey
        full = (storey + 1) * _FLOOR < 2 * solids[p, HZ] - 0.2
        side = (1 if nx + ny > 0 else 0) + (2 if on_x else 0)
        if full and 0.2 < u < 0.8 and 0.26 < v < 0.82:
            pick = _hash(column, storey, side, seed)
            frame = u < 0.25 or u > 0.75 or v < 0.31 or v > 0.78
            fade = min(t / 140.0, 0.7)
            if frame and t < 60.0:
                r, g, b = 0.35 * r + 140, 0.35 * g + 140, 0.35 * b + 138
            else:
                tone = 34.0 + 50.0 * pick
                if pick > 0.93:
                    r, g, b = 232.0, 206.0, 150.0
                    shines = look.light[8] > 0.0
                else:
                    r = r * fade + (1 - fade) * tone * 0.92
                    g = g * fade + (1 - fade) * tone * 1.04
                    b = b * fade + (1 - fade) * tone * 1.22
        else:
            value = 1.0 + 0.05 * near * (
                2 * _noise(along, 0.0, lz, 0.3, seed) - 1
            )
            value *= 0.93 + 0.14 * _smooth_noise(along, lz, 2.6, seed)
            if v < 0.06 and storey > 0:
                value *= 0.88
    elif material == FOLIAGE:
        coarse = _noise(x, y, z, 0.42, seed)
        fine = _noise(x, y, z, 0.14, seed + 1)
        value = 0.72 + 0.36 * coarse + 0.22 * near * fine
        tilt = 0.5 * (_noise(x, y, z, 0.3, seed + 2) - 0.5)
        nx, ny, nz = nx + tilt, ny - tilt, nz + 0.5 * tilt
        value *= 0.8 + 0.2 * min(max(lz / solids[p, HZ], -1.0), 1.0)
    elif material == GLASS:
        mirror = 0.3 * (1.0 - abs(nz))
        r = r * (1 - mirror) + mirror * look.horizon[0]
        g = g * (1 - mirror) + mirror * look.horizon[1]
        b = b * (1 - mirror) + mirror * look.horizon[2]
    elif material == STRIPES:
        width = solids[p, DETAIL]
        place = lz if solids[p, KIND] == CONE else ly + lz
        if (place / width) - np.floor(place / width) > 0.5:
            r, g, b = 232.0, 230.0, 226.0
    elif material == BARK:
        value = 0.85 + 0.3 * _noise(lx * 3, ly * 3, lz * 0.4, 0.1, seed)
    elif material == BRICK:
        row = np.floor((lz + 10) / 0.18)
        shift = 0.2 if int(row) % 2 else 0.0
        u = (lx + ly + shift) / 0.4
        value = 0.88 + 0.2 * _hash(int(np.floor(u)), int(row), 0, seed)
        if t < 18.0 and u - np.floor(u) < 0.06:
            value *= 0.8
    elif material == PANEL:
        along = ly if on_x else lx
        u = along / solids[p, DETAIL]
        u -= np.floor(u)
        if u < 0.05 and t < 50.0:
            value = 0.82
        value *= 0.97 + 0.06 * _smooth_noise(along, lz, 1.1, seed)
    out[0], out[1], out[2] = r * value, g * value, b * value
    return nx, ny, nz, shines


@numba.njit(cache=True)
def _headlight(x, y, z, nx, ny, nz, look):
    """Light that the ego car throws on a surface, before its colour."""
    cos, sin = np.cos(look.ego[2]), np.sin(look.ego[2])
    dx, dy = x - look.ego[0], y - look.ego[1]
    ahead = cos * dx + sin * dy - _LAMP_FRONT
    if ahead < 0.1:
        return 0.0
    aside = (cos * dy - sin * dx) / (_BEAM_WIDTH + _BEAM_SPREAD * ahead)
    up = (z - _LAMP_HEIGHT) / (_BEAM_WIDTH + 0.5 * _BEAM_SPREAD * ahead)
    facing = max(-(cos * nx + sin * ny), 0.0)
    facing = _GRAZING + (1.0 - _GRAZING) * facing
    fall = 1.0 + (ahead / _LAMP_REACH) ** 2
    return look.light[8] * facing * np.exp(-aside * aside - up * up) / fall


@numba.njit(cache=True)
def _in_shadow(
    solids, starts, items, tops, columns, rows, gx, gy, top,
    x, y, z, nx, ny, nz, sun,
):  # fmt: skip
    _, p = cast(
        solids, starts, items, tops, columns, rows, gx, gy, top,
        x + 0.03 * nx, y + 0.03 * ny, z + 0.03 * nz,
        sun[0], sun[1], sun[2], _SHADOW_LENGTH,
    )  # fmt: skip
    return p >= 0


@numba.njit(cache=True)
def _shade(
    solids, starts, items, tops, columns, rows, gx, gy, top,
    codes, x0, y0, look, rotation, centre, fx, fy, cx, cy,
    found, image, ranges, owners,
):  # fmt: skip
    """Compute colours from depth (``ranges``) and index images."""
    height, width = ranges.shape
    rgb = np.zeros(3)
    ambient, direct, reach = look.light[0], look.light[1], look.light[2]
    wet = look.light[4]
    sun = look.sun
    for row in range(height):
        b = (row + 0.5 - cy) / fy
        for column in range(width):
            a = (column + 0.5 - cx) / fx
            dx = rotation[0, 0] * a + rotation[0, 1] * b + rotation[0, 2]
            dy = rotation[1, 0] * a + rotation[1, 1] * b + rotation[1, 2]
            dz = rotation[2, 0] * a + rotation[2, 1] * b + rotation[2, 2]
            depth = ranges[row, column]
            x = centre[0] + depth * dx
            y = centre[1] + depth * dy
            z = centre[2] + depth * dz
            norm = np.sqrt(dx * dx + dy * dy + dz * dz)
            t = depth * norm
            dz /= norm
            ranges[row, column] = t
            owners[row, column] = STATIC
            p = found[row, column]
            if p == SKY:
                _sky(dx / norm, dy / norm, dz, look, rgb)
                for c in range(3):
                    value = rgb[c] * look.light[5 + c]
                    image[row, column, 2 - c] = min(max(value, 0.0), 255.0)
                continue
            shines = False
            code = 0
            if p == GROUND:
                code = _ground_colour(x, y, t, codes, x0, y0, look, rgb)
                nx, ny, nz = 0.0, 0.0, 1.0
            else:
                owners[row, column] = int(solids[p, INSTANCE])
                nx, ny, nz, shines = _solid_colour(
                    solids, p, x, y, z, t, look, rgb
                )
            if not shines:
                facing = max(nx * sun[0] + ny * sun[1] + nz * sun[2], 0.0)
                if facing > 0.0 and t < _SHADOW_RANGE and direct > _DIM:
                    if _in_shadow(
                        solids, starts, items, tops, columns, rows, gx, gy,
                        top, x, y, z, nx, ny, nz, sun,
                    ):  # fmt: skip
                        facing *= 0.12
                shade = ambient * (0.82 + 0.18 * nz) + direct * facing
                if look.light[8] > 0.0:
                    shade += _headlight(x, y, z, nx, ny, nz, look)
                for c in range(3):
                    rgb[c] *= shade
                if wet > 0.0 and p == GROUND:
                    if code == ROAD or code >= WHITE:
                        mirror = 0.45 * wet * (1.0 + dz) ** 6
                        for c in range(3):
                            rgb[c] += mirror * (0.9 * look.horizon[c] - rgb[c])
            fog = np.exp(-t / reach)
            for c in range(3):
                value = rgb[c] * fog + look.horizon[c] * (1.0 - fog)
                value *= look.light[5 + c]
                image[row, column, 2 - c] = min(max(value, 0.0), 255.0)


def render(
    scene: Scene,
    ground: Ground,
    look: Appearance,
    cam2global: np.ndarray,
    cam2img: np.ndarray,
    size: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Render one camera.

    Args:
        scene (Scene): All solids at this instant.
        ground (Ground): Surface raster.
        look (Appearance): Colours and light.
        cam2global (np.ndarray): (4, 4) pose of the camera.
        cam2img (np.ndarray): (3, 3) intrinsics.
        size (tuple): Width and height in pixels.

    Returns:
        tuple: Image (H, W, 3) uint8 BGR; range along the ray (H, W) float32
        metres, beyond ``FAR`` for the sky; owner (H, W) int32, -1 for none.
    """
    width, height = size
    ranges, found = first_surfaces(
        scene.solids, cam2global, cam2img, size, FAR
    )
    image = np.zeros((height, width, 3), np.uint8)
    owners = np.zeros((height, width), np.int32)
    _shade(
        *scene,
        ground.codes,
        float(ground.origin[0]),
        float(ground.origin[1]),
        look,
        np.ascontiguousarray(cam2global[:3, :3]),
        np.ascontiguousarray(cam2global[:3, 3]),
        cam2img[0, 0],
        cam2img[1, 1],
        cam2img[0, 2],
        cam2img[1, 2],
        found,
        image,
        ranges,
        owners,
    )
    return image, ranges, owners
