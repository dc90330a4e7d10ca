"""The canvas of creatures: soft-edged shapes on a coordinate grid, for a block of images at a time."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32

from collab.data.creature_traits import Traits

Plane = Float32[np.ndarray, "batch height width"]


class Scene:
    """The pictures of some rows while they are drawn, with the grid turned and scaled to each head."""

    def __init__(self, traits: Traits, rows: np.ndarray, x: Plane, y: Plane, pixels: np.ndarray, side: int) -> None:
        self._traits, self._rows = traits, rows
        self.x, self.y, self.pixels, self.side = x, y, pixels, side
        self.edge = 2 / (side * self["scale"])  # a pixel, in head radii
        self._sines = {
            axis: (np.sin(np.radians(self[axis])), np.cos(np.radians(self[axis]))) for axis in ("yaw", "pitch")
        }

    def __getitem__(self, name: str) -> np.ndarray:
        """A trait as [batch, 1, 1] (a color as [batch, 3, 1, 1])."""
        values = self.trait(name).astype(np.float32)
        return values.reshape(*values.shape, 1, 1)

    def trait(self, name: str) -> np.ndarray:
        """A trait of the rows of this scene, as it was drawn."""
        return self._traits[name][self._rows]

    def seen_at(self, depth: float) -> tuple[Plane, Plane]:
        """The grid of what lies `depth` in front of the head's middle: it slides when the head turns."""
        (yaw, yaw_cosine), (pitch, pitch_cosine) = self._sines["yaw"], self._sines["pitch"]
        return (self.x - depth * yaw) / yaw_cosine, (self.y - depth * pitch) / pitch_cosine

    def soft(self, distance: Plane) -> Plane:
        """Coverage of each pixel by a shape whose signed distance (head radii, negative inside) is given."""
        return np.clip(0.5 - distance / self.edge, 0, 1)

    def paint(self, cover: Plane, color: np.ndarray | tuple[float, float, float]) -> None:
        """Lays a color, [batch, 3, 1, 1] or one for all, over the pictures."""
        if isinstance(color, tuple):
            color = np.array(color, np.float32).reshape(1, 3, 1, 1)
        self.pixels += cover[:, None] * (color - self.pixels)

    def fill(self, distance: Plane, color: np.ndarray | tuple[float, float, float]) -> None:
        """Lays a color over a shape whose signed distance is given."""
        self.paint(self.soft(distance), color)

    def where(self, trait: str, draw: "Callable[[Scene], None]") -> None:
        """Draws only where the trait is true; the other rows cost nothing."""
        rows = np.flatnonzero(self.trait(trait))
        if len(rows):
            part = Scene(self._traits, self._rows[rows], self.x[rows], self.y[rows], self.pixels[rows], self.side)
            draw(part)
            self.pixels[rows] = part.pixels


def ellipse(x: Plane, y: Plane, wide: np.ndarray | float, high: np.ndarray | float) -> Plane:
    """Signed distance to an ellipse about the origin, exact on its edge and of the right size near it."""
    return (np.sqrt((x / wide) ** 2 + (y / high) ** 2) - 1) * np.minimum(wide, high)


def wave(phase: Plane) -> Plane:
    """A triangle wave of period 1 between 0 (whole phases) and 1: no sine, so that every machine draws the same."""
    return 2 * np.abs(phase - np.floor(phase + 0.5))
