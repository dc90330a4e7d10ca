"""An entity that chooses what it takes."""

from collections.abc import Sequence

from typing_extensions import override

from collab.participants.entity import Entity
from collab.participants.pool import Pooled, measure_harm, of_classes
from collab.scenario.model import Refinement
from collab.training.progress import Progress

from . import options


class Selective(Entity):
    """Refines on those rows of the pool that are of some entities, of some classes, or of its most useful peers."""

    Options = options.Selective
    options: options.Selective

    @override
    def choose(self, pool: Sequence[Pooled], row: Refinement, progress: Progress) -> Sequence[Pooled]:
        chosen = self.options
        if chosen.entities is not None:
            pool = [peer for peer in pool if peer.sender in chosen.entities]
        if chosen.classes is not None:
            pool = [of_classes(self, peer, chosen.classes) for peer in pool]
        if chosen.best is not None and len(pool) > chosen.best:
            harms = measure_harm(self, pool, row, progress)
            pool = sorted(pool, key=lambda peer: harms[peer.sender].value)[: chosen.best]
        return pool
