"""Li et al., You Can Use But Cannot Recognize (VisualMixer), NDSS 2024: its headline figures."""

from collections.abc import Iterator, Mapping

from collab.verdicts.evidence import Evidence
from collab.verdicts.judging import ABOVE, Comparison
from collab.verdicts.table import Table, claim


def find_from_scratch(evidence: Evidence) -> Mapping[str, str]:
    """The row that trains from scratch on what an entity alone published as images, by its name."""
    return {str(row.entity): name for name, row in evidence.played.items() if row.own == "published" and not row.pool}


def pair_equally_hidden(evidence: Evidence, one: str, other: str) -> list[tuple[str, str]]:
    """Entities of two kinds of defense that publish images of the same wanted entropy, and are trained on."""
    gain = {each.name: getattr(each.defenses[0], "gain", None) for each in evidence.scenario.entities}
    pairs = [(a, b) for a in evidence.protected_by(one) for b in evidence.protected_by(other) if gain[a] == gain[b]]
    rows = find_from_scratch(evidence)
    return [pair for pair in pairs if all(name in rows for name in pair)]


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
    """VisualMixer against noise: at an entropy no lower, a network trained on shuffled images is the better one."""
    rows, entropy = find_from_scratch(evidence), name_entropy(evidence)
    for mixed, noisy in pair_equally_hidden(evidence, "visual_mixer", "pixel_noise"):
        keys = [evidence.key(rows[name], f"{evidence.main.name}_published") for name in (mixed, noisy)]
        entropies = [evidence.row(("tables_1_2", name, entropy)) for name in (mixed, noisy)]
        is_lower = all(entropies) and (entropies[0].value or 0) < 0.98 * (entropies[1].value or 0)  # type: ignore[union-attr]
        why = f"{mixed} reaches less visual feature entropy than {noisy}" if is_lower else ""
        yield evidence.better(f"{mixed} above {noisy}", keys[0], keys[1], ABOVE, incomparable=why)


TABLES = (
    Table(
        "vm_headline",
        (shuffling_hides_images, shuffling_keeps_more),
        "means over four data sets, four networks and an unknown scale of pixels",
    ),
)
