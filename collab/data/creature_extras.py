"""What an individual has or wears besides its species: horns, hair, glasses, hats and the rest."""

from collections.abc import Callable
from typing import Final

import numpy as np

from collab.data.creature_face import eye_grid, head_distance
from collab.data.creature_scene import Scene, ellipse, wave


def _scarf(scene: Scene) -> None:
    x, y = scene.x, scene.y - 1.02 * scene["head_height"]
    distance = np.maximum(np.abs(y - 0.12 + 0.1 * x * x) - 0.2, np.abs(x) - 0.9)
    scene.fill(distance, scene["dress_too"])
    scene.fill(np.maximum(distance, 0.07 - 0.28 * wave(2 * x + 2 * y)), 0.6 * scene["dress_too"])


def _mane(scene: Scene) -> None:
    around = wave(3.0 * np.arctan2(scene.y, np.abs(scene.x)))
    scene.fill(head_distance(scene) - 0.2 - 0.12 * around, 0.6 * scene["mark"])


def _horns(scene: Scene) -> None:
    x, y = scene.seen_at(0.0)
    low = y + 0.8 * scene["head_height"]
    right = np.abs(x) - 0.28 - 0.35 * low * low
    horn = np.maximum(np.abs(right) - 0.15 * (1 + 1.4 * low), np.abs(low + 0.21) - 0.51)
    scene.fill(horn - 0.04, (0.25, 0.2, 0.16))
    scene.fill(horn, (0.9, 0.85, 0.7))


def _antennae(scene: Scene) -> None:
    x, y = scene.seen_at(0.1)
    low = y + scene["head_height"]
    right = np.abs(x) - 0.12 + 0.35 * low
    scene.fill(np.maximum(np.abs(right) - 0.03, np.abs(low + 0.1) - 0.4), (0.15, 0.12, 0.12))
    scene.fill(ellipse(right, low + 0.5, 0.11, 0.11), scene["dress"])


def _earrings(scene: Scene) -> None:
    x, y = scene.seen_at(0.0)
    right, low = np.abs(x) - scene["head_width"] - 0.03, y - 0.28
    scene.fill(np.abs(ellipse(right, low, 0.11, 0.13)) - 0.045, (1.0, 0.82, 0.2))


def _whiskers(scene: Scene) -> None:
    x, y = scene.seen_at(0.8)
    right, low = np.abs(x), y - scene["muzzle_place"]
    fan = np.abs(low - 0.3 * (right - 0.3)) - 0.02
    fan = np.minimum(fan, np.abs(low + 0.12 + 0.1 * (right - 0.3)) - 0.02)
    scene.paint(0.8 * scene.soft(np.maximum(fan, np.abs(right - 0.78) - 0.4)), (0.96, 0.96, 0.96))


def _freckles(scene: Scene) -> None:
    x, y = scene.seen_at(0.65)
    right, low = np.abs(x) - 0.5, y - 0.28
    dots = np.minimum(ellipse(right, low, 0.05, 0.05), ellipse(right - 0.15, low - 0.08, 0.05, 0.05))
    dots = np.minimum(dots, ellipse(right - 0.06, low - 0.18, 0.05, 0.05))
    scene.paint(0.8 * scene.soft(dots), 0.35 * scene["fur"])


def _blush(scene: Scene) -> None:
    x, y = scene.seen_at(0.6)
    scene.paint(0.6 * scene.soft(ellipse(np.abs(x) - 0.62, y - 0.25, 0.18, 0.12)), (1.0, 0.45, 0.5))


def _brows(scene: Scene) -> None:
    x, y = eye_grid(scene)
    low = y + scene["eye_height"] + 0.16 - 0.25 * x
    scene.fill(np.maximum(np.abs(low) - 0.05, np.abs(x) - 0.19), (0.12, 0.08, 0.07))


def _fringe(scene: Scene) -> None:
    x, y = scene.seen_at(0.4)
    low = y + 0.98 * scene["head_height"]
    hair = np.maximum(low - 0.42 + 0.28 * wave(2.2 * x), np.abs(x) - 0.42)
    hair = np.maximum(hair, -low - 0.2 + 0.5 * np.abs(x))
    scene.fill(hair, 0.55 * scene["mark"])


def _beard(scene: Scene) -> None:
    x, y = scene.seen_at(0.5)
    low = y - 0.82 * scene["head_height"]
    scene.fill(np.maximum(np.abs(x) - 0.3 * (1 - low / 0.45), np.abs(low - 0.2) - 0.25), 0.6 * scene["mark"])


def _glasses(scene: Scene) -> None:
    x, y = eye_grid(scene)
    rim = np.abs(ellipse(x, y, 0.29, 0.27)) - 0.035
    bridge = np.maximum(np.abs(y) - 0.03, x + 0.26)
    scene.fill(np.minimum(rim, bridge), 0.45 * scene["dress"])


def _sunglasses(scene: Scene) -> None:
    x, y = eye_grid(scene)
    lens = np.maximum(ellipse(x, y, 0.33, 0.29), -y - 0.2)
    scene.fill(np.minimum(lens, np.maximum(np.abs(y + 0.12) - 0.04, x + 0.2)), (0.06, 0.06, 0.09))
    scene.paint(0.35 * scene.soft(np.maximum(lens + 0.06, np.abs(x + 0.4 * y) - 0.05)), (1.0, 1.0, 1.0))


def _hat(scene: Scene) -> None:
    x, y = scene.seen_at(0.1)
    low = y + 0.78 * scene["head_height"]
    crown = np.maximum(np.abs(x) - 0.46 + 0.1 * low, np.abs(low + 0.36) - 0.36)
    scene.fill(np.minimum(ellipse(x, low, 0.85, 0.13), crown), scene["dress"])
    scene.fill(np.maximum(crown, np.abs(low + 0.16) - 0.07), scene["dress_too"])


def _crown(scene: Scene) -> None:
    x, y = scene.seen_at(0.1)
    low = y + 0.8 * scene["head_height"]
    crown = np.maximum(np.maximum(np.abs(x) - 0.5, low), -low - 0.2 - 0.28 * wave(2.0 * x + 0.5))
    scene.fill(crown - 0.03, (0.5, 0.35, 0.05))
    scene.fill(crown, (1.0, 0.82, 0.2))


def _headband(scene: Scene) -> None:
    x, y = scene.seen_at(0.45)
    band = np.abs(y + 0.58 * scene["head_height"] - 0.12 * x * x) - 0.09
    scene.fill(np.maximum(band, head_distance(scene) - 0.03), scene["dress"])


def _bow(scene: Scene) -> None:
    x, y = scene.x, scene.y - 1.02 * scene["head_height"]
    wing = np.maximum(np.abs(y) - 0.06 - 0.42 * np.abs(x), np.abs(x) - 0.42)
    scene.fill(wing, scene["dress"])
    scene.fill(ellipse(x, y, 0.12, 0.12), 0.7 * scene["dress"])


def _flower(scene: Scene) -> None:
    x, y = scene.seen_at(0.3)
    right, low = x - 0.55 * scene["head_width"], y + 0.62 * scene["head_height"]
    petals = ellipse(right, low, 0.24, 0.24) - 0.1 * wave(2.5 * np.arctan2(low, right) / np.float32(np.pi)) + 0.06
    scene.fill(petals, scene["dress_too"])
    scene.fill(ellipse(right, low, 0.09, 0.09), (1.0, 0.85, 0.25))


Parts = tuple[tuple[str, Callable[[Scene], None]], ...]

BEHIND: Final[Parts] = (("scarf", _scarf), ("mane", _mane), ("horns", _horns), ("antennae", _antennae))
"""Trait and drawing of what lies behind the ears and the head, in order."""
IN_FRONT: Final[Parts] = (
    *(("earrings", _earrings), ("freckles", _freckles), ("blush", _blush), ("whiskers", _whiskers), ("beard", _beard)),
    *(("brows", _brows), ("fringe", _fringe), ("glasses", _glasses), ("sunglasses", _sunglasses)),
    *(("headband", _headband), ("hat", _hat), ("crown", _crown), ("flower", _flower), ("bow", _bow)),
)
"""Trait and drawing of what lies on the face, in order."""
