"""An entity that chooses what it takes."""

from collections.abc import Sequence

from typing_extensions import override

from collab.participants.entity import Entity
from collab.participants.pool import Pooled, harm, of_classes
from collab.scenario.model import Refinement
from collab.training.progress import Progress

from . import options


class Selective(Entity):
    """Refines on those rows of the pool that are of some entities, of some classes, or of its most useful peers."""

    kind = "selective"
    Options = options.Selective
    options: options.Selective

    @override
    def choose(self, pool: Sequence[Pooled], row: Refinement, progress: Progress) -> Sequence[Pooled]:
        wanted = self.options
        if wanted.entities is not None:
            pool = [peer for peer in pool if peer.sender in wanted.entities]
        if wanted.classes is not None:
            pool = [of_classes(self, peer, wanted.classes) for peer in pool]
        if wanted.best is not None and len(pool) > wanted.best:
            found = harm(self, pool, row, progress)
            pool = sorted(pool, key=lambda peer: found[peer.sender].value)[: wanted.best]
        return pool
