"""What each creature is: species, individual and image draws, all counted from row numbers, none from an order."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64, Int64, UInt64

from collab.seeding import Stream

Traits = dict[str, np.ndarray]
"""One value for each row under each name: lengths in head radii, angles in degrees, colors in [0, 1] as [rows, 3]."""

IMAGES_PER_INDIVIDUAL: Final = 8
CLUTTER: Final = 5

ATTRIBUTES: Final = (
    *("glasses", "sunglasses", "hat", "crown", "headband", "bow", "scarf", "earrings", "flower"),
    *("smile", "open_mouth", "tongue", "teeth", "closed_eyes", "brows"),
    *("horns", "antennae", "mane", "fringe", "beard", "whiskers", "freckles", "blush"),
    *("spots", "stripes", "eye_patches", "blaze", "pointed_ears", "long_ears", "drooping_ears"),
    *("slit_pupils", "big_eyes", "big_nose", "dark_fur", "warm_fur", "light_muzzle"),
    *("warm_light", "dim_light", "dark_background", "occluded"),
)
"""The 40 binary attributes, in the order of the columns of `attributes`."""

MARKINGS: Final = ("cheek_stripes", "brow_stripes", "eye_patches", "band", "blaze", "spots", "mask", "cap")

# The archetypes that species are dealt from; each species then departs from its archetype by a fixed offset.
# Ears: place on the head and direction (degrees from the top), length, half width, pointedness.
_EARS: Final = np.array([
    (38, 20, 0.80, 0.36, 1.00),
    (46, 44, 0.50, 0.30, 0.00),
    (22, 10, 1.20, 0.22, 0.15),
    (58, 142, 0.95, 0.27, 0.10),
    (66, 92, 0.75, 0.23, 0.40),
    (48, 44, 0.80, 0.47, 0.00),
])  # fmt: skip
# Head: half width, half height, taper towards the chin, squareness.
_HEADS: Final = np.array([
    (1.0, 0.95, 0.05, 0.0),
    (1.12, 0.82, 0.0, 0.15),
    (0.80, 1.08, 0.10, 0.1),
    (1.02, 0.95, 0.32, 0.0),
    (0.95, 0.92, -0.08, 0.45),
])  # fmt: skip
# Eyes: half width, half height, tilt (degrees), distance from the middle, lid (fraction covered),
# pupil (0 round, 1 slit, 2 bar).
_EYES: Final = np.array([
    (0.12, 0.14, 0, 0.36, 0.0, 0),
    (0.21, 0.23, 0, 0.40, 0.0, 0),
    (0.22, 0.14, 22, 0.42, 0.0, 1),
    (0.20, 0.18, -14, 0.38, 0.45, 0),
    (0.19, 0.17, 0, 0.50, 0.0, 2),
])  # fmt: skip
# Muzzle: half width, half height, place below the middle; nose: half width, half height, taper (1 triangle, 0 oval).
_MUZZLES: Final = np.array([
    (0.40, 0.27, 0.40, 0.11, 0.08, 1.0),
    (0.34, 0.44, 0.38, 0.17, 0.13, 0.3),
    (0.46, 0.30, 0.36, 0.30, 0.19, 0.0),
    (0.58, 0.38, 0.42, 0.20, 0.12, 0.6),
    (0.26, 0.22, 0.36, 0.08, 0.08, 0.0),
])  # fmt: skip


def _mix(numbers: UInt64[np.ndarray, " rows"]) -> UInt64[np.ndarray, " rows"]:
    """The finalizer of SplitMix64 (Steele, Lea, Flood 2014): each output bit depends on every input bit."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


class Draws:
    """Random draws for rows: the j-th call gives each row the j-th number of its own sequence."""

    def __init__(self, key: int, rows: Int64[np.ndarray, " rows"]) -> None:
        self._state = _mix(_mix(rows.astype(np.uint64)) ^ np.uint64(key))
        self._calls = 0

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Float64[np.ndarray, " rows"]:
        """Uniform on [low, high)."""
        self._calls += 1
        bits = _mix(self._state + np.uint64(self._calls * 0x9E3779B97F4A7C15 % 2**64))
        return low + (high - low) * (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def bell(self, spread: float) -> Float64[np.ndarray, " rows"]:
        """Bell shaped about 0 with standard deviation `spread`, never beyond 3 of them (sum of three uniforms)."""
        return 2 * spread * (self.uniform() + self.uniform() + self.uniform() - 1.5)

    def chance(self, probability: float) -> np.ndarray:
        """True with `probability`."""
        return self.uniform() < probability

    def color(self, saturation: tuple[float, float], value: tuple[float, float]) -> Float64[np.ndarray, "rows 3"]:
        """A color of any hue."""
        return from_hsv(self.uniform(), self.uniform(*saturation), self.uniform(*value))


def from_hsv(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> Float64[np.ndarray, "rows 3"]:
    """Hue (turns), saturation and value in [0, 1] to red, green, blue in [0, 1]."""
    ramp = np.abs((hue[:, None] + np.array([0.0, 2 / 3, 1 / 3])) % 1.0 * 6 - 3) - 1
    return value[:, None] * (1 - saturation[:, None] * (1 - np.clip(ramp, 0, 1)))


@dataclass(frozen=True)
class Species:
    """The table of all species: row k belongs to class k."""

    ears: Float64[np.ndarray, "classes 5"]
    heads: Float64[np.ndarray, "classes 4"]
    eyes: Float64[np.ndarray, "classes 6"]
    muzzles: Float64[np.ndarray, "classes 6"]
    marking: Int64[np.ndarray, " classes"]
    hue: Float64[np.ndarray, " classes"]

    @classmethod
    def draw(cls, seed: int, classes: int) -> "Species":
        """`classes` species: archetypes are dealt evenly; species share parts and differ in how they combine."""
        rng = Stream(seed, "creatures", "data").numpy("species")

        def deal(archetypes: np.ndarray) -> np.ndarray:
            return archetypes[rng.permutation(np.arange(classes) % len(archetypes))]

        def vary(archetypes: np.ndarray, share: float) -> np.ndarray:
            dealt = deal(archetypes)
            return dealt + share * archetypes.std(axis=0) * rng.uniform(-1, 1, dealt.shape)

        eyes = vary(_EYES, 0.3)
        eyes[:, 4], eyes[:, 5] = np.clip(eyes[:, 4] - 0.05, 0, 0.5), np.clip(np.rint(eyes[:, 5]), 0, 2)
        return cls(
            ears=vary(_EARS, 0.25),
            heads=vary(_HEADS, 0.4),
            eyes=eyes,
            muzzles=vary(_MUZZLES, 0.3),
            marking=deal(np.arange(len(MARKINGS))),
            hue=rng.uniform(0, 1, classes),
        )


def draw_labels(seed: int, split: str, rows: Int64[np.ndarray, " rows"], classes: int) -> Int64[np.ndarray, " rows"]:
    """Each run of `classes` rows holds every class once, in an order of its own."""
    runs = np.unique(rows // classes)
    members = (runs[:, None] * classes + np.arange(classes)).ravel()
    key = Stream(seed, "creatures", "data").integer(f"labels/{split}")
    orders = np.argsort(Draws(key, members).uniform().reshape(-1, classes), axis=1)
    return orders[np.searchsorted(runs, rows // classes), rows % classes].astype(np.int64)


def draw_traits(
    species: Species, seed: int, split: str, rows: Int64[np.ndarray, " rows"], of_each: int = IMAGES_PER_INDIVIDUAL
) -> Traits:
    """Everything that decides the pictures of `rows`; an individual keeps its body, an image has its pose and scene.

    `of_each` images in a row of the same species show one individual.
    """
    classes = len(species.hue)
    label = draw_labels(seed, split, rows, classes)
    individual = label + classes * (rows // classes // of_each)
    stream = Stream(seed, "creatures", "data")
    traits: Traits = {"individual": individual}
    _draw_body(traits, species, label, Draws(stream.integer(f"individual/{split}"), individual))
    _draw_scene(traits, Draws(stream.integer(f"image/{split}"), rows))
    return traits


def _draw_body(t: Traits, species: Species, label: np.ndarray, draw: Draws) -> None:
    """What stays the same in all images of an individual."""
    muzzle_and_nose = "muzzle_width muzzle_height muzzle_place nose_width nose_height nose_taper"
    for names, table, spread in (
        ("ear_place ear_turn ear_length ear_width ear_point", species.ears, (3, 6, 0.07, 0.025, 0.06)),
        ("head_width head_height head_taper head_square", species.heads, (0.04, 0.04, 0.03, 0.04)),
        ("eye_width eye_height eye_tilt eye_place eye_lid pupil", species.eyes, (0.012, 0.012, 3, 0.02, 0.03, 0)),
        (muzzle_and_nose, species.muzzles, (0.03, 0.025, 0.02, 0.012, 0.01, 0.08)),
    ):
        for column, name in enumerate(names.split()):
            t[name] = table[label, column] + draw.bell(spread[column])
    for name, high in (("eye_lid", 0.6), ("ear_point", 1.0), ("nose_taper", 1.0), ("head_square", 0.6)):
        t[name] = np.clip(t[name], 0.0, high)
    t["marking"] = species.marking[label]
    t["marking_size"], t["marking_shift"] = 1 + draw.bell(0.1), draw.uniform()
    # The hue is a weak hint only: half of the individuals have any other.
    hue = np.where(draw.chance(0.5), draw.uniform(), species.hue[label] + draw.bell(0.08)) % 1.0
    value = draw.uniform(0.35, 0.95)
    t["fur"] = from_hsv(hue, draw.uniform(0.15, 0.7), value)
    t["dark_fur"], t["warm_fur"] = value < 0.6, (hue < 0.17) | (hue > 0.92)
    dark_marking = value > 0.6
    t["mark"] = np.where(dark_marking[:, None], 0.32 * t["fur"], 0.25 * t["fur"] + 0.72)
    t["light_muzzle"] = draw.chance(0.6)
    muzzle = np.where(t["light_muzzle"], draw.uniform(0.45, 0.75), draw.uniform(-0.25, 0.15))[:, None]
    t["muzzle"] = np.where(muzzle > 0, t["fur"] + muzzle * (0.97 - t["fur"]), t["fur"] * (1 + muzzle))
    t["inner_ear"] = 0.55 * t["fur"] + 0.45 * draw.color((0.1, 0.5), (0.3, 1.0))
    t["nose"] = draw.color((0.2, 0.6), (0.08, 0.45))
    t["iris"] = draw.color((0.4, 0.9), (0.35, 0.9))
    for name, probability in (
        *(("horns", 0.15), ("antennae", 0.1), ("mane", 0.15), ("fringe", 0.3), ("beard", 0.15)),
        *(("whiskers", 0.45), ("freckles", 0.25), ("blush", 0.3), ("brows", 0.35)),
    ):
        t[name] = draw.chance(probability)


def _draw_scene(t: Traits, draw: Draws) -> None:
    """What changes from image to image: pose, place, expression, dress, light, background, what is in front."""
    t["roll"], t["pitch"], t["yaw"] = draw.bell(12), draw.bell(9), draw.bell(16)
    t["x"], t["y"], t["scale"] = draw.bell(0.10), 0.08 + draw.bell(0.08), draw.uniform(0.42, 0.64)
    mood = draw.uniform()
    t["smile"], t["open_mouth"] = mood < 0.45, mood > 0.7
    t["tongue"], t["teeth"] = (mood > 0.3) & (mood < 0.45) | (mood > 0.9), (mood > 0.8) & (mood < 0.9)
    eyewear, headwear = draw.uniform(), draw.uniform()
    t["glasses"], t["sunglasses"] = eyewear < 0.15, eyewear > 0.93
    t["closed_eyes"] = draw.chance(0.1) & ~t["sunglasses"]
    t["open_eyes"] = ~t["closed_eyes"]
    t["hat"], t["crown"], t["headband"] = headwear < 0.1, (headwear > 0.1) & (headwear < 0.17), headwear > 0.9
    for name, probability in (("bow", 0.15), ("scarf", 0.2), ("earrings", 0.12), ("flower", 0.12), ("occluded", 0.3)):
        t[name] = draw.chance(probability)
    t["dress"], t["dress_too"] = draw.color((0.5, 0.95), (0.5, 1.0)), draw.color((0.4, 0.9), (0.4, 1.0))
    for bar in (f"clutter{number}" for number in range(CLUTTER)):  # blobs and bars of any color
        t[bar] = draw.color((0.1, 0.8), (0.15, 1.0))
        t[f"{bar}_x"], t[f"{bar}_y"], t[f"{bar}_turn"] = (
            draw.uniform(-1.1, 1.1),
            draw.uniform(-1.1, 1.1),
            draw.uniform(0, 180),
        )
        t[f"{bar}_long"], t[f"{bar}_wide"] = draw.uniform(0.25, 0.9), draw.uniform(0.06, 0.4)
    t["dark_background"] = draw.chance(0.4)
    bright = np.where(t["dark_background"], draw.uniform(0.08, 0.4), draw.uniform(0.55, 1.0))
    for name in ("sky", "ground"):
        t[name] = from_hsv(draw.uniform(), draw.uniform(0.05, 0.6), bright * draw.uniform(0.7, 1.0))
    t["cover"] = draw.color((0.2, 0.8), (0.2, 0.9))
    t["cover_x"], t["cover_y"] = draw.uniform(-0.75, 0.75), draw.uniform(-0.6, 0.8)
    t["cover_turn"], t["cover_wide"] = draw.uniform(0, 180), draw.uniform(0.08, 0.2)
    t["cover_long"] = draw.uniform(0.2, 0.9)
    warmth, gain = draw.bell(0.12), draw.uniform(0.5, 1.15)
    t["warm_light"], t["dim_light"] = warmth > 0.08, gain < 0.7
    t["light"] = gain[:, None] * np.stack([1 + warmth, np.ones_like(warmth), 1 - warmth], axis=1)
    t["light_turn"], t["light_slope"] = draw.uniform(0, 360), draw.uniform(0.0, 0.45)


def read_attributes(t: Traits) -> np.ndarray:
    """Booleans [rows, 40] in the order of `ATTRIBUTES`."""
    marking = np.asarray(MARKINGS)[t["marking"]]
    derived = {
        "spots": marking == "spots",
        "stripes": (marking == "cheek_stripes") | (marking == "brow_stripes"),
        "eye_patches": marking == "eye_patches",
        "blaze": marking == "blaze",
        "pointed_ears": t["ear_point"] > 0.6,
        "long_ears": t["ear_length"] > 0.9,
        "drooping_ears": t["ear_turn"] > 110,
        "slit_pupils": t["pupil"] == 1,
        "big_eyes": t["eye_width"] * t["eye_height"] > 0.036,
        "big_nose": t["nose_width"] > 0.18,
    }
    return np.stack([derived[name] if name in derived else t[name] for name in ATTRIBUTES], axis=1)
