"""The parts that make a species: ears, head, markings, muzzle, eyes."""

import numpy as np

from collab.data.creature_scene import Plane, Scene, ellipse, wave
from collab.data.creature_traits import MARKINGS


def ears(scene: Scene) -> None:
    """Both ears, behind the head."""
    x, y = scene.seen_at(-0.25)
    place, turn = np.radians(scene["ear_place"]), np.radians(scene["ear_turn"])
    right = np.abs(x) - 0.82 * scene["head_width"] * np.sin(place)
    low = y + 0.82 * scene["head_height"] * np.cos(place)
    along = np.sin(turn) * right - np.cos(turn) * low
    off = np.abs(np.cos(turn) * right + np.sin(turn) * low)
    length, width, point = scene["ear_length"], scene["ear_width"], scene["ear_point"]

    def ear(grown: float, size: float) -> Plane:
        part = np.clip(along / (length * size), 0, 1)
        profile = (1 - point) * np.sqrt(1 - (2 * part - 1) ** 2) + point * (1 - part)
        return np.maximum(off - width * size * profile, np.abs(along - length * size / 2) - length * size / 2) - grown

    fur = scene["fur"]
    scene.fill(ear(0.07, 1.0), 0.3 * fur)
    scene.fill(ear(0.0, 1.0), 0.9 * fur)
    scene.fill(ear(-0.02, 0.72), scene["inner_ear"])


def head_distance(scene: Scene) -> Plane:
    """Signed distance to the outline of the head, in head radii."""
    x, y = np.abs(scene.x), scene.y
    right = x / (scene["head_width"] * (1 - scene["head_taper"] * np.clip(y, -1, 1)))
    low = np.abs(y / scene["head_height"])
    round_, square = np.sqrt(right**2 + low**2), np.maximum(right, low)
    radius = np.minimum(scene["head_width"], scene["head_height"])
    return (round_ + scene["head_square"] * (square - round_) - 1) * radius


def head(scene: Scene) -> Plane:
    """The head; returns its coverage, which markings stay within."""
    distance = head_distance(scene)
    fur = scene["fur"]
    scene.fill(distance - 0.07, 0.3 * fur)
    head = scene.soft(distance)
    rim = np.clip(1 + distance, 0, 1)  # darker towards the edge: the head looks round
    scene.paint(head, (1.06 - 0.3 * rim * rim)[:, None] * fur)
    return head


def markings(scene: Scene, head: Plane) -> None:
    """The species' marking, cut off at the edge of the head."""
    x, y = scene.seen_at(0.55)
    wide, edge = np.abs(x), scene.edge
    for number, name in enumerate(MARKINGS):
        rows = np.flatnonzero(scene.trait("marking") == number)
        if not len(rows):
            continue
        size, shift = scene["marking_size"][rows], scene["marking_shift"][rows]
        eye, fine = scene["eye_place"][rows], edge[rows]
        distance = _marking(name, wide[rows], y[rows], size, shift, eye)
        cover = head[rows] * np.clip(0.5 - distance / fine, 0, 1)
        pixels = scene.pixels[rows]
        scene.pixels[rows] = pixels + cover[:, None] * (scene["mark"][rows] - pixels)


def _marking(name: str, x: Plane, y: Plane, size: np.ndarray, shift: np.ndarray, eye: np.ndarray) -> Plane:
    """Signed distance to a marking of a face whose halves are mirrored: x >= 0."""
    if name == "cheek_stripes":
        stripes = (0.5 - wave((y - 0.25 * x) * 2.6 + 0.3 * shift)) * 0.19
        return np.maximum(stripes, 0.55 / size - x)
    if name == "brow_stripes":
        return np.maximum((0.5 - wave(x * 3.2 + 0.5)) * 0.15, y + 0.42 / size)
    if name == "eye_patches":
        return ellipse(x - eye, y + 0.08 - 0.35 * (x - eye), 0.27 * size, 0.33 * size)
    if name == "band":
        return np.abs(y + 0.12 - 0.12 * x) - 0.19 * size
    if name == "blaze":
        return np.maximum(x - 0.13 * size - 0.12 * np.clip(-y, 0, 1), y - 0.4)
    if name == "spots":
        right, low = x * 2.2 + 0.35 * shift, y * 2.2 + 0.5 * np.floor(x * 2.2 + 0.35 * shift) + shift
        right, low = right - np.floor(right) - 0.5, low - np.floor(low) - 0.5
        return (np.sqrt(right**2 + low**2) - 0.3 * size) / 2.2
    if name == "mask":
        return 0.05 / size - y + 0.5 * np.abs(x - 0.42) - 0.05
    return y + 0.38 / size + 0.35 * np.abs(x - 0.30) - 0.1  # cap


def muzzle(scene: Scene) -> None:
    """Muzzle, nose and mouth."""
    x, y = scene.seen_at(0.7)
    low = y - scene["muzzle_place"]
    wide, high = scene["muzzle_width"], scene["muzzle_height"]
    scene.fill(ellipse(x, low, wide, high), scene["muzzle"])
    x, y = scene.seen_at(0.9)
    nose = y - scene["muzzle_place"] + 0.45 * high
    bent = low - 0.3 * high + np.where(scene["smile"] > 0, 0.9, -0.35) * x * x / wide
    scene.fill(np.maximum(np.abs(bent) - 0.035, np.abs(x) - 0.75 * wide), (0.18, 0.1, 0.1))
    scene.where("open_mouth", _open_mouth)
    scene.where("tongue", _tongue)
    scene.where("teeth", _teeth)
    nose_wide = scene["nose_width"] * (1 - 0.75 * scene["nose_taper"] * np.clip(nose / scene["nose_height"], -1, 1))
    scene.fill(ellipse(x, nose, np.maximum(nose_wide, 0.03), scene["nose_height"]), scene["nose"])
    shine = ellipse(x, nose + 0.4 * scene["nose_height"], 0.4 * scene["nose_width"], 0.25 * scene["nose_height"])
    scene.paint(0.5 * scene.soft(shine), (1.0, 1.0, 1.0))


def _mouth(scene: Scene) -> tuple[Plane, Plane, np.ndarray, np.ndarray]:
    x, y = scene.seen_at(0.7)
    wide, high = scene["muzzle_width"], scene["muzzle_height"]
    return x, y - scene["muzzle_place"] - 0.5 * high, wide, high


def _open_mouth(scene: Scene) -> None:
    x, y, wide, high = _mouth(scene)
    scene.fill(ellipse(x, y - 0.06, 0.45 * wide, 0.42 * high), (0.3, 0.06, 0.08))


def _tongue(scene: Scene) -> None:
    x, y, wide, high = _mouth(scene)
    scene.fill(ellipse(x, y - 0.12, 0.26 * wide, 0.4 * high), (0.95, 0.45, 0.5))


def _teeth(scene: Scene) -> None:
    x, y, wide, high = _mouth(scene)
    tooth = np.maximum(np.abs(np.abs(x) - 0.13 * wide) - 0.1 * wide, np.abs(y + 0.12 * high) - 0.18 * high)
    scene.fill(tooth, (1.0, 1.0, 0.95))


def eyes(scene: Scene) -> None:
    """Both eyes: white, iris, pupil, shine, lid; a closed eye is an arc."""
    scene.where("open_eyes", _open_eyes)
    scene.where("closed_eyes", _closed_eyes)


def eye_grid(scene: Scene) -> tuple[Plane, Plane]:
    """The grid about the middle of either eye: the first axis points away from the nose."""
    x, y = scene.seen_at(0.6)
    return np.abs(x) - scene["eye_place"], y + 0.08


def _open_eyes(scene: Scene) -> None:
    x, y = eye_grid(scene)
    wide, high, pupil = scene["eye_width"], scene["eye_height"], scene["pupil"].astype(int)
    tilt = np.radians(scene["eye_tilt"])
    along, off = np.cos(tilt) * x - np.sin(tilt) * y, np.cos(tilt) * y + np.sin(tilt) * x
    distance = ellipse(along, off, wide, high)
    white = scene.soft(distance)
    scene.fill(distance - 0.05, (0.1, 0.07, 0.07))
    scene.paint(white, (0.97, 0.97, 0.94))
    size = 0.85 * np.minimum(wide, high)
    scene.paint(np.minimum(white, scene.soft(ellipse(x, y, size, size))), scene["iris"])
    pupil_wide = size * np.choose(pupil, (0.68, 0.3, 0.95))
    pupil_high = size * np.choose(pupil, (0.68, 1.1, 0.35))
    scene.paint(np.minimum(white, scene.soft(ellipse(x, y, pupil_wide, pupil_high))), (0.05, 0.04, 0.05))
    lid = np.maximum(distance - 0.03, off + high * (1 - 2 * scene["eye_lid"]))
    scene.paint(scene.soft(lid) * (scene["eye_lid"] > 0.12), 0.75 * scene["fur"])
    shine = ellipse(x + 0.3 * size, y + 0.35 * size, 0.3 * size, 0.3 * size)
    scene.paint(0.9 * np.minimum(white, scene.soft(shine)), (1.0, 1.0, 1.0))


def _closed_eyes(scene: Scene) -> None:
    x, y = eye_grid(scene)
    arc = np.maximum(np.abs(y + 1.5 * x * x - 0.04) - 0.035, np.abs(x) - scene["eye_width"])
    scene.fill(arc, (0.12, 0.08, 0.08))
