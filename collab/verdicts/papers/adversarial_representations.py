"""Xiao et al., Adversarial Learning of Privacy-Preserving and Task-Oriented Representations, AAAI 2020.

Tables 1 and 2 take one run, Table 3 a sweep over layers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from collab.defenses.options import Adversarial
from collab.verdicts.evidence import Evidence
from collab.verdicts.judging import ABOVE, NOT_BELOW, Comparison, Region, subtract
from collab.verdicts.table import Point, Setup, SweepTable, Table, claim

MCC_KEPT = 0.05
"""By how much mean MCC may differ between partners of APT's Table 1 (SCIENCE 3)."""
LAYERS = ("conv2", "conv3", "conv4", "conv5", "avgpool", "fc")
"""Those of APT's Table 3 from the shallowest: its Conv1 to Conv4, and two more."""
SHALLOW = LAYERS[:3]


def find_weighted(evidence: Evidence) -> dict[str, Adversarial]:
    """Options of every entity that trains adversarially, by its name."""
    return {
        entity.name: defense
        for entity in evidence.scenario.entities
        for defense in entity.defenses
        if isinstance(defense, Adversarial)
    }


def find_partners(evidence: Evidence) -> list[tuple[str, str, Adversarial]]:
    """Entities that differ in the weights of (9) alone: who has none, who has some, and the options of the latter."""
    pairs, stated = [], find_weighted(evidence)
    for odd, without in stated.items():
        if not without.pixel_weight and not without.perceptual_weight:
            for even, options in stated.items():
                weights = {"pixel_weight": options.pixel_weight, "perceptual_weight": options.perceptual_weight}
                if any(weights.values()) and without.model_copy(update=weights) == options:
                    pairs.append((odd, even, options))
    return pairs


def name_similarities(evidence: Evidence) -> list[str]:
    """Metrics of the likeness to a face: by each fresh decoder, and by what M reads from features."""
    exposure = evidence.scenario.exposure
    decoders = [decoder.name for decoder in exposure.decoders] if exposure else []
    return ["feature_similarity", *(f"face_similarity[{name}]" for name in decoders)]


@claim("adversarial training protects", '"more difficult to invert"; Table 1: each even row below its odd partner')
def adversarial_training_protects(evidence: Evidence) -> Iterator[Comparison]:
    """APT Tables 1 and 3: face and feature similarity below those of the partner without the negative losses."""
    feature, *faces = name_similarities(evidence)
    for odd, even, _ in find_partners(evidence):
        for metric in (*faces, feature):
            keys = ("exposure", odd, metric), ("exposure", even, metric)
            yield evidence.compare(f"{even}: less {metric} than {odd}", *keys, ABOVE, is_points=False)


@claim("adversarial training costs little", "Table 1: .641 and .612, .651 and .630")
def adversarial_training_costs_little(evidence: Evidence) -> Iterator[Comparison]:
    """APT Table 1: MCC within .05 of the partner's; of those trained for few attributes, MCC of these."""
    for odd, even, options in find_partners(evidence):
        row, metrics = "tables_1_2", ["mcc_poisoned"]
        if options.attributes:
            row, metrics = "exposure", [f"mcc[{name}]" for name in options.attributes]
        for metric in metrics:
            expected, keys = f"{even}: {metric} within {MCC_KEPT:g} of {odd}", ((row, odd, metric), (row, even, metric))
            yield evidence.compare(expected, *keys, Region(-MCC_KEPT, MCC_KEPT), is_points=False)


@claim("neighbors tell less", "Figure 4: clusters of Eyeglasses dissolve")
def neighbors_forget_other_attributes(evidence: Evidence) -> Iterator[Comparison]:
    """APT Fig. 4: nearest neighbors tell less of an attribute after adversarial training."""
    exposure = evidence.scenario.exposure
    for odd, even, options in find_partners(evidence):
        for name in exposure.attributes if exposure else ():
            if name not in options.attributes:
                keys = ("exposure", odd, f"knn[{name}]"), ("exposure", even, f"knn[{name}]")
                yield evidence.compare(f"{even}: neighbors tell no more of {name} than {odd}'s", *keys, NOT_BELOW)


@claim(
    "weight trades utility for privacy",
    '"the model becomes more privacy-protecting [...] at the cost of decreased utility"',
)
def more_weight_trades_utility_for_privacy(evidence: Evidence) -> Iterator[Comparison]:
    """APT Table 2: MCC and similarities fall with the weight of the perceptual distance; each may rise in one step."""
    places = [("tables_1_2", "mcc_poisoned"), *(("exposure", metric) for metric in name_similarities(evidence))]
    weights = sorted((defense.perceptual_weight, name) for name, defense in find_weighted(evidence).items())
    for row, metric in places:
        steps = [
            evidence.compare(
                f"{metric}: {second} not above {first}", (row, first, metric), (row, second, metric), NOT_BELOW,
                is_points=False,
            )
            for (_, first), (_, second) in pairwise(weights)
        ]  # fmt: skip
        yield from allow_one_inversion(steps)


def allow_one_inversion(steps: Sequence[Comparison]) -> Iterator[Comparison]:
    """The steps, but one that rises inside its interval, where it is the only one that rises (SCIENCE 3)."""
    rising = [each for each in steps if each.found is not None and each.region.distance(each.found.value) > 0]
    for each in steps:
        is_inside = each.found is not None and each.found.high >= each.region.low
        if len(rising) == 1 and each is rising[0] and is_inside:
            yield replace(each, expected=f"{each.expected}, but for one inversion inside its interval", region=Region())
        else:
            yield each


@claim("deeper layers show less", "Table 3: .98, .95, .74, .64, .55, .54")
def deeper_layers_show_less(axis: str, points: Sequence[Point]) -> Iterator[Comparison]:
    """Table 3 of APT, first row: without adversarial training face similarity falls from layer to layer."""
    faces = {str(values[axis]): results.like("exposure", "without", "face_similarity") for values, results in points}
    for first, second in pairwise(layer for layer in LAYERS if layer in faces):
        expected = f"{axis} {second}: no more face similarity than {first}"
        change = subtract(faces[first], faces[second])
        yield Comparison(expected, NOT_BELOW, change, missing="no face similarity")


@claim("adversarial training protects", "Table 3: .98 to .36, .95 to .48, .74 to .49")
def adversarial_training_protects_shallow_layers(axis: str, points: Sequence[Point]) -> Iterator[Comparison]:
    """Table 3 of APT: with adversarial training face similarity lies below that without, at layer1 to layer3."""
    for values, results in points:
        if values[axis] in SHALLOW:
            without, protected = (results.like("exposure", name, "face_similarity") for name in ("without", "with"))
            expected = f"{axis} {values[axis]}: less face similarity with adversarial training"
            yield Comparison(expected, ABOVE, subtract(without, protected), missing="no face similarity")


FACES = Setup("celeba", ("resnet50_mlp",), "fc")

TABLES = (
    Table(
        "apt_table1",
        (adversarial_training_protects, adversarial_training_costs_little, neighbors_forget_other_attributes),
        FACES,
    ),
    Table("apt_table2", (more_weight_trades_utility_for_privacy,), FACES),
    SweepTable("apt_table3", (deeper_layers_show_less, adversarial_training_protects_shallow_layers)),
)
