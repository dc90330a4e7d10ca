"""Li et al., You Can Use But Cannot Recognize (VisualMixer), NDSS 2024: its headline figures."""

from collections.abc import Iterator, Mapping

from collab.verdicts.evidence import Evidence
from collab.verdicts.judging import ABOVE, Comparison
from collab.verdicts.table import Table, claim


def find_from_scratch(evidence: Evidence) -> Mapping[str, str]:
    """The row that trains from scratch on what an entity alone published as images, by its name."""
    return {str(row.entity): name for name, row in evidence.played.items() if row.own == "published" and not row.pool}


ALIKE = 0.05
"""By how much of it the entropies of two published sets of images may differ that are called equal."""


def pair_equally_hidden(evidence: Evidence, one: str, other: str) -> list[tuple[str, str, float]]:
    """Of each entity with one kind of defense the one with the other that published images of the nearest entropy.

    Entropy is what was measured of published images, not what was wanted: shuffling begins at 2x2 blocks and may reach
    more. With each pair how much more the first has, as a share; only who is trained on counts.
    """
    rows, entropy = find_from_scratch(evidence), name_entropy(evidence)

    def reached(name: str) -> float:
        found = evidence.row(("tables_1_2", name, entropy))
        return (found.value or 0.0) if found else 0.0

    ones, others = ([name for name in evidence.protected_by(kind) if name in rows] for kind in (one, other))
    pairs = []
    for a in ones if others else ():
        b = min(others, key=lambda name: abs(reached(name) - reached(a)))
        pairs.append((a, b, reached(a) / reached(b) - 1 if reached(b) else 0.0))
    return pairs


def name_entropy(evidence: Evidence) -> str:
    """The name of visual feature entropy of published images in this run, such as `vfe[8]_published`."""
    return evidence.metric("vfe[", "_published", otherwise="vfe[8]_published")


@claim(
    "shuffling raises entropy",
    '"prevent visual features from being discerned and recognized" (abstract); here by its own measure alone',
)
def shuffling_hides_images(evidence: Evidence) -> Iterator[Comparison]:
    """VisualMixer: what is published is harder to discern than the image by the measure that it goes by."""
    entropy = name_entropy(evidence)
    for name in evidence.protected_by("visual_mixer"):
        published, original = (
            ("tables_1_2", name, entropy.replace("published", of)) for of in ("published", "original")
        )
        expected = f"{name}: entropy above that of the images"
        yield evidence.compare(expected, published, original, ABOVE, is_points=False)


@claim(
    "shuffling keeps more",
    '"Differential Privacy (DP) [...] cannot effectively protect visual features"; shuffling "while incurring '
    'negligible accuracy loss" (abstract); here noise of equal gain in visual feature entropy',
)
def shuffling_keeps_more(evidence: Evidence) -> Iterator[Comparison]:
    """VisualMixer against noise: at equal entropy a network trained on shuffled images is the better one."""
    rows = find_from_scratch(evidence)
    for mixed, noisy, more in pair_equally_hidden(evidence, "visual_mixer", "pixel_noise"):
        keys = [evidence.key(rows[name], f"{evidence.main.name}_published") for name in (mixed, noisy)]
        why = f"{noisy} is the nearest, and {mixed} has {100 * more:+.0f} % of its visual feature entropy"
        why = why if abs(more) > ALIKE else ""
        yield evidence.better(f"{mixed} above {noisy}", keys[0], keys[1], ABOVE, incomparable=why)


TABLES = (
    Table(
        "vm_headline",
        (shuffling_hides_images, shuffling_keeps_more),
        "means over four data sets, four networks and an unknown scale of pixels",
    ),
)
