"""How private images of one source are dealt to the entities that have none of their own."""

from collections.abc import Callable
from contextlib import suppress

import numpy as np

from collab.data.partition import LEAST, ClassSplit, find_labels
from collab.data.subsets import Wish, deal_subsets, draw_shares
from collab.errors import DataError
from collab.participants.holding import Holding
from collab.scenario.model import Scenario
from collab.scenario.partitions import Quantity
from collab.seeding import Stream

MOST_DRAWS = 10_000
"""Of shares, until each is enough: about a second, and what has no chance in so many is not wanted."""

A_LITTLE = 0.01
"""Share of an onlooker."""

Deal = Callable[[dict[str, Wish]], dict[str, np.ndarray]]
"""The positions that each entity holds, as it wishes."""


def deal_positions(
    scenario: Scenario,
    classes: tuple[str, ...],
    split: ClassSplit,
    everything: Holding,
    listed: dict[str, np.ndarray],
    stream: Stream,
    *,
    by_class: bool,
) -> dict[str, np.ndarray]:
    """The positions in `everything` that each entity holds: those `listed`, and for all others what `share` says."""
    if not len(everything):
        return {}
    partition = scenario.partition
    sharing = [entity for entity in scenario.entities if entity.share is not None and entity.data is None]
    shares = {entity.name: entity.share for entity in sharing if entity.share is not None}
    if partition.kind == "quantity":
        sizes = np.bincount(everything.labels) if by_class else np.array([len(everything)])
        shares = _draw_enough(shares, partition, stream, sizes[sizes > 0])
    wishes = {
        entity.name: Wish(
            shares[entity.name],
            None if entity.classes is None else find_labels(entity.classes, classes, split, entity.name),
            *((entity.overlap.entity, entity.overlap.fraction) if entity.overlap else ()),
        )
        for entity in sharing
    }

    def deal(wishes: dict[str, Wish]) -> dict[str, np.ndarray]:
        return deal_subsets(
            everything.labels if by_class else np.zeros_like(everything.labels),
            wishes,
            stream.numpy,
            classes=[classes[label] for label in split.private] if by_class else ["all private images"],
            alpha=partition.alpha if partition.kind == "dirichlet" else None,
            listed=listed,
        )

    try:
        return _deal_with_onlookers(scenario, wishes, deal)
    except DataError as cause:
        if partition.kind != "quantity":
            raise
        drawn = ", ".join(f"{name} {share:.4f}" for name, share in shares.items())
        raise DataError(
            f"{cause} `partition.alpha` {partition.alpha:g} drew the shares {drawn}; a larger one evens them, and "
            "`partition.least` draws again."
        ) from cause


def _draw_enough(shares: dict[str, float], partition: Quantity, stream: Stream, sizes: np.ndarray) -> dict[str, float]:
    """The first draw of shares that gives each entity what `least` asks for; the first of all without it.

    `sizes` are the images of each class. DataError if no draw was enough.
    """
    least = partition.least
    for number in range(MOST_DRAWS):
        drawn = draw_shares(shares, partition.alpha, stream.numpy(f"shares {number}" if number else "shares"))
        counts = np.rint(sizes * min(drawn.values()))
        if least is None or (counts.min() >= 1 and counts.sum() >= least):
            return drawn
    raise DataError(
        f"`partition.least` asks that each of {len(shares)} entities have {least} images and one of each class, "
        f"and none of {MOST_DRAWS:,} draws of shares with `partition.alpha` {partition.alpha:g} did. Lower `least`, "
        "or raise `alpha` or the shares."
    )


def _deal_with_onlookers(scenario: Scenario, wishes: dict[str, Wish], deal: Deal) -> dict[str, np.ndarray]:
    """What `deal` makes of `wishes`, and of onlookers after them, so that nobody has fewer images for theirs.

    Who has the images of another entity (`images_of`) holds those. Each onlooker holds a hundredth of what nobody has
    or, where shares leave too little, of what the first entity has; where that cannot be dealt either, the first images
    of that entity. No result depends on which they are.
    """
    copies = {entity.name: entity.options.images_of for entity in scenario.entities if entity.options.images_of}
    onlookers = [entity.name for entity in scenario.entities if entity.is_onlooker and entity.name not in copies]
    positions = _deal_to(onlookers, scenario, wishes, deal)
    return positions | {name: positions[donor] for name, donor in copies.items() if donor in positions}


def _deal_to(onlookers: list[str], scenario: Scenario, wishes: dict[str, Wish], deal: Deal) -> dict[str, np.ndarray]:
    if not onlookers:
        return deal(wishes)
    dealt = [entity for entity in scenario.entities if entity.data is None and entity.options.images_of is None]
    first = next((entity.name for entity in dealt if not entity.is_onlooker), "")
    if not first:
        return deal(wishes)  # nothing is dealt to anybody else either
    has_room = sum(entity.share or 0 for entity in dealt) + len(onlookers) * A_LITTLE <= 1
    a_little = Wish(A_LITTLE) if has_room else Wish(A_LITTLE, None, first, 1.0)
    with suppress(DataError):  # of what others ask for it is raised below
        return deal({**wishes, **dict.fromkeys(onlookers, a_little)})
    positions = deal(wishes)
    return positions | dict.fromkeys(onlookers, positions[first][:LEAST])
