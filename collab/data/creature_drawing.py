"""Draws creatures: layers of soft-edged shapes on a coordinate grid, a block of images at a time."""

from typing import Final

import numpy as np
from jaxtyping import UInt8

from collab.data import creature_face as face
from collab.data.creature_extras import BEHIND, IN_FRONT
from collab.data.creature_scene import Plane, Scene, ellipse
from collab.data.creature_traits import CLUTTER, Traits

DRAWING: Final = 2
"""Goes up with every change of the pictures, and with it the digest of every source that shows them."""

_PIXELS_AT_ONCE: Final = 1 << 16  # a plane of 256 KiB: a dozen of them stay in a second-level cache


def draw(traits: Traits, side: int) -> UInt8[np.ndarray, "batch 3 side side"]:
    """The pictures of all rows of `traits`; a row's picture depends on its own traits only."""
    _keep_freed_memory()
    rows, step = len(traits["x"]), max(1, _PIXELS_AT_ONCE // side**2)
    images = np.empty((rows, 3, side, side), np.uint8)
    for start in range(0, rows, step):
        block = slice(start, start + step)
        images[block] = _draw_block({name: values[block] for name, values in traits.items()}, side)
    return images


def _keep_freed_memory() -> None:
    """Lets planes of a picture lie where those before lay: to give pages back and get others takes as long as to draw.

    glibc keeps what is freed up to twice the largest block that was ever given back to the system (mallopt(3),
    M_MMAP_THRESHOLD). Here is one; nobody writes to it, so it takes no memory. Elsewhere this does nothing.
    """
    np.empty(1 << 24, np.uint8)


def _draw_block(traits: Traits, side: int) -> UInt8[np.ndarray, "batch 3 side side"]:
    line = (np.arange(side, dtype=np.float32) + np.float32(0.5)) * np.float32(2 / side) - 1
    across, down = np.broadcast_to(line, (1, side, side)), np.broadcast_to(line[:, None], (1, side, side))
    values = {name: traits[name].astype(np.float32).reshape(-1, 1, 1) for name in ("x", "y", "scale", "roll")}
    cosine, sine = np.cos(np.radians(values["roll"])), np.sin(np.radians(values["roll"]))
    right, low = (across - values["x"]) / values["scale"], (down - values["y"]) / values["scale"]
    x, y = cosine * right + sine * low, cosine * low - sine * right
    scene = Scene(traits, np.arange(len(x)), x, y, np.empty((len(x), 3, side, side), np.float32), side)
    _background(scene, across, down)
    for name, part in BEHIND:
        scene.where(name, part)
    face.ears(scene)
    face.markings(scene, face.head(scene))
    face.muzzle(scene)
    face.eyes(scene)
    for name, part in IN_FRONT:
        scene.where(name, part)
    scene.where("occluded", lambda some: some.paint(_bar(some, across, down, "cover"), some["cover"]))
    turn = np.radians(scene["light_turn"])
    shade = 1 + scene["light_slope"] * (np.cos(turn) * across + np.sin(turn) * down)
    lit = scene.pixels * (shade[:, None] * scene["light"])
    return (np.clip(lit, 0, 1) * 255 + 0.5).astype(np.uint8)


def _bar(scene: Scene, x: Plane, y: Plane, name: str) -> Plane:
    """Cover of the rounded bar `name` (a trait in image coordinates)."""
    turn = np.radians(scene[f"{name}_turn"])
    right, low = x - scene[f"{name}_x"], y - scene[f"{name}_y"]
    along, off = np.cos(turn) * right + np.sin(turn) * low, np.cos(turn) * low - np.sin(turn) * right
    distance = ellipse(along, off, scene[f"{name}_long"], scene[f"{name}_wide"])
    return np.clip(0.5 - distance * (scene.side / 2), 0, 1)


def _background(scene: Scene, across: Plane, down: Plane) -> None:
    slope = np.clip(0.5 + 0.5 * down, 0, 1)[:, None]
    scene.pixels[:] = scene["sky"] + slope * (scene["ground"] - scene["sky"])
    for number in range(CLUTTER):
        scene.paint(_bar(scene, across, down, f"clutter{number}"), scene[f"clutter{number}"])
