"""Xiao et al., Adversarial Learning of Privacy-Preserving and Task-Oriented Representations, AAAI 2020.

Tables 1 and 2 take one run, Table 3 a sweep over layers.
"""

from collections.abc import Sequence
from itertools import pairwise

from collab.defenses.options import Adversarial
from collab.verdicts.evidence import Evidence
from collab.verdicts.judging import ABOVE, NOT_BELOW, Claim, Comparison, Region, subtract
from collab.verdicts.table import Point, Setup, SweepTable, Table

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


def adversarial_training_protects(evidence: Evidence) -> Claim:
    """APT Tables 1 and 3: face and feature similarity below those of the partner without the negative losses."""
    feature, *faces = name_similarities(evidence)
    found = [
        evidence.compare(
            f"{even}: less {metric} than {odd}", ("exposure", odd, metric), ("exposure", even, metric), ABOVE,
            is_points=False,
        )
        for odd, even, _ in find_partners(evidence)
        for metric in (*faces, feature)
    ]  # fmt: skip
    sentence = '"more difficult to invert"; Table 1: each even row below its odd partner'
    return Claim("adversarial training protects", sentence, tuple(found))


def adversarial_training_costs_little(evidence: Evidence) -> Claim:
    """APT Table 1: MCC within .05 of the partner's; of those trained for few attributes, MCC of these."""
    found = []
    for odd, even, options in find_partners(evidence):
        row, metrics = "tables_1_2", ["mcc_poisoned"]
        if options.attributes:
            row, metrics = "exposure", [f"mcc[{name}]" for name in options.attributes]
        found += [
            evidence.compare(
                f"{even}: {metric} within {MCC_KEPT:g} of {odd}", (row, odd, metric), (row, even, metric),
                Region(-MCC_KEPT, MCC_KEPT), is_points=False,
            )
            for metric in metrics
        ]  # fmt: skip
    return Claim("adversarial training costs little", "Table 1: .641 and .612, .651 and .630", tuple(found))


def neighbors_forget_other_attributes(evidence: Evidence) -> Claim:
    """APT Fig. 4: nearest neighbors tell less of an attribute after adversarial training."""
    exposure = evidence.scenario.exposure
    found = [
        evidence.compare(
            f"{even}: neighbors tell no more of {name} than {odd}'s",
            ("exposure", odd, f"knn[{name}]"),
            ("exposure", even, f"knn[{name}]"),
            NOT_BELOW,
        )
        for odd, even, options in find_partners(evidence)
        for name in (exposure.attributes if exposure else ())
        if name not in options.attributes
    ]
    return Claim("neighbors tell less", "Figure 4: clusters of Eyeglasses dissolve", tuple(found))


def more_weight_trades_utility_for_privacy(evidence: Evidence) -> Claim:
    """APT Table 2: MCC and similarities fall with the weight of the perceptual distance; an interval may reach over."""
    keys = [("tables_1_2", "mcc_poisoned"), *(("exposure", metric) for metric in name_similarities(evidence))]
    weights = sorted((defense.perceptual_weight, name) for name, defense in find_weighted(evidence).items())
    found = [
        evidence.compare(
            f"{metric}: {second} not above {first}", (row, first, metric), (row, second, metric), NOT_BELOW,
            is_points=False,
        )
        for row, metric in keys
        for (_, first), (_, second) in pairwise(weights)
    ]  # fmt: skip
    sentence = '"the model becomes more privacy-protecting [...] at the cost of decreased utility"'
    return Claim("weight trades utility for privacy", sentence, tuple(found))


def deeper_layers_show_less(axis: str, points: Sequence[Point]) -> Claim:
    """Table 3 of APT, first row: without adversarial training face similarity falls from layer to layer."""
    faces = {str(values[axis]): results.like("exposure", "without", "face_similarity") for values, results in points}
    ordered = [layer for layer in LAYERS if layer in faces]
    found = [
        Comparison(
            f"{axis} {second}: no more face similarity than {first}", NOT_BELOW,
            subtract(faces[first], faces[second]), missing="no face similarity",
        )
        for first, second in pairwise(ordered)
    ]  # fmt: skip
    return Claim("deeper layers show less", "Table 3: .98, .95, .74, .64, .55, .54", tuple(found))


def adversarial_training_protects_shallow_layers(axis: str, points: Sequence[Point]) -> Claim:
    """Table 3 of APT: with adversarial training face similarity lies below that without, at layer1 to layer3."""
    found = [
        Comparison(
            f"{axis} {values[axis]}: less face similarity with adversarial training", ABOVE,
            subtract(
                results.like("exposure", "without", "face_similarity"),
                results.like("exposure", "with", "face_similarity"),
            ),
            missing="no face similarity",
        )
        for values, results in points
        if values[axis] in SHALLOW
    ]  # fmt: skip
    return Claim("adversarial training protects", "Table 3: .98 to .36, .95 to .48, .74 to .49", tuple(found))


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
