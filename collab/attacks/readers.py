"""Networks that read something of a row, trained on public images as what an adversary can run shows them (ATTACKS A7).

Two ways lead from public images to a victim's rows without a pair: what C makes of both, since poisoned features are
made to work there, and shadow modules of the victim's recipe.
"""

import copy
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from collab.attacks.base import Attack, Compute, Knowledge, Map, Need, Progress, Stream
from collab.attacks.distribution_matching import Moments, public_features
from collab.attacks.reading_options import Through, trains_modules
from collab.attacks.shadow_modules import MEASURED, match_moments
from collab.attacks.shadows import deal_rows, fit_shadow, further_reconstructors
from collab.errors import EntityError
from collab.models.freeze import freeze
from collab.models.tokens import blocks_of
from collab.scenario.base import CONTROL
from collab.training.feeds import even_batches, steps_in
from collab.training.loop import Recipe, minimize
from collab.training.recipes import outputs_of
from collab.training.statistics import settle_statistics

TRIED = 256
"""Public images, at most, that readers never learn from: on these a depth is chosen and the control is taken."""

SETTLED = 1024
"""Public images, about and at most, of which the statistics of a reader's BatchNorm are taken again."""

DEPTH = "depth"
"""Under this name a rehearsal keeps how many blocks of C stand before its reader."""


@dataclass(frozen=True)
class Asked:
    """What is read of an image, as somebody sees it who has the image.

    `targets` [images, ...] are of the public images, `loss` compares outputs [batch, `outputs`] with some of them, and
    `merit` says how good outputs are, row by row, and what a guess is worth. `groups` [images] are never divided
    between images that are learned from and others: whoever is to be linked must not be known.
    """

    targets: Tensor
    outputs: int
    loss: Callable[[Tensor, Tensor], Tensor]
    merit: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    groups: np.ndarray
    reads_embedding: bool = False


class Reader(nn.Module):
    """The blocks of C from `depth` on with a new last layer; they begin with C's weights and learn on.

    What stands before that layer, [batch, values], is the embedding. Raises EntityError where C has no linear one.
    """

    def __init__(self, decider: nn.Module, depth: int, outputs: int) -> None:
        super().__init__()
        body = nn.Sequential(*copy.deepcopy(blocks_of(decider)[depth:]))
        place = next((name for name, part in reversed([*body.named_modules()]) if isinstance(part, nn.Linear)), None)
        if place is None:
            raise EntityError("C ends in no linear layer, so there is nothing to put a reader in the place of.")
        last = body.get_submodule(place)
        assert isinstance(last, nn.Linear)  # by the search
        body.set_submodule(place, nn.Identity())
        self.embed, self.head = body, nn.Linear(last.in_features, outputs)

    @override
    def forward(self, features: Tensor) -> Tensor:
        read: Tensor = self.head(self.embed(features).flatten(1))
        return read


@dataclass(frozen=True)
class ReadingAttack(Attack):
    """Trains readers in a rehearsal, and applies one to a shard: through C's blocks, or through shadow modules.

    Nothing is chosen by looking at a victim. `ask` says what is read. The control is what the reader gains over a guess
    on public images that it has not seen, as a module of the recipe shows them that it has not seen either; where no
    module is trained, on their plain features.
    """

    through: Through | None
    depth: int | None
    modules: int
    module_images: int
    module_epochs: int | None
    recipe: Recipe

    @property
    def trains_modules(self) -> bool:
        """Whether modules of the victim's recipe are trained."""
        return trains_modules(self.through, self.depth)

    @property
    @override
    def asks_for(self) -> frozenset[Need]:
        modules = {"reconstructor", "victim_defense"} if self.trains_modules else set[Need]()
        return frozenset({"featurizer", "decider", "public_data", *self.needs, *modules})

    @abstractmethod
    def ask(self, known: Knowledge, compute: Compute) -> Asked:
        """What is to be read."""

    @override
    def rehearse(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> dict[str, Tensor]:
        """The reader that is applied to all victims of the recipe, its depth in C, and the control."""
        if self.through is None:
            return {}
        asked, public = self.ask(known, compute), known.public_data
        how: dict[str, Any] = {"stream": stream, "compute": compute, "progress": progress}
        tried, learned = divide_groups(asked.groups, TRIED)
        compute.place(known.decider)
        module, shadows = self._fit_modules(known, tried, learned, **how) if self.trains_modules else (None, [])
        target = Moments.of(public_features(known, MEASURED, compute))
        shown = outputs_of(known.featurizer, public.take(tried, compute.device), compute)
        truth = asked.targets[torch.from_numpy(tried)]
        if module is not None:
            shown = outputs_of(module, shown, compute)
        if self.through == "shadows":
            encode = deal_rows(known.featurizer, [self._standardized(known, each, target, compute) for each in shadows])
            reader = _learn(Reader, known, 0, encode, asked, learned, self.recipe, **how)
            return _kept(reader, 0, asked, match_moments(Moments.of(shown), target)(shown), truth, compute)
        depths = range(len(blocks_of(known.decider))) if self.depth is None else [self._checked_depth(known)]
        found = []
        for depth in depths:
            read = nn.Sequential(*blocks_of(known.decider)[:depth])
            encode = _through(known.featurizer, read)
            own = replace(stream, stage=f"{stream.stage} {depth}")
            reader = _learn(Reader, known, depth, encode, asked, learned, self.recipe, **how | {"stream": own})
            found.append(_kept(reader, depth, asked, outputs_of(read, shown, compute), truth, compute))
        return max(found, key=lambda each: float(each[CONTROL].mean()))

    def read(self, known: Knowledge, compute: Compute, asked: Asked) -> Tensor:
        """What the rehearsed reader makes of the attacked rows: outputs, or embeddings where these were asked for."""
        kept = dict(known.rehearsed)
        kept.pop(CONTROL, None)
        depth = int(kept.pop(DEPTH))
        reader = Reader(known.decider, depth, asked.outputs)
        reader.load_state_dict(kept)
        features = known.features
        if self.through == "shadows":
            published = Moments.over(lambda: (rows for rows, _ in known.shard()))
            features = match_moments(published, Moments.of(public_features(known, MEASURED, compute)))(features)
        part = reader.embed if asked.reads_embedding else reader
        return outputs_of(nn.Sequential(*blocks_of(known.decider)[:depth], part, nn.Flatten()), features, compute)

    def _checked_depth(self, known: Knowledge) -> int:
        blocks = len(blocks_of(known.decider)) - 1
        assert self.depth is not None  # else it is rehearsed
        if self.depth > blocks:
            raise EntityError(
                f"`depth` is {self.depth}, and C has {blocks} blocks before its head. Lower `depth`, or leave it out."
            )
        return self.depth

    def _fit_modules(
        self, known: Knowledge, tried: np.ndarray, learned: np.ndarray,
        *, stream: Stream, compute: Compute, progress: Progress,
    ) -> tuple[nn.Module, list[nn.Module]]:  # fmt: skip
        """A module as stated, fitted as a victim does on images that it then shows; and the shadows, if there are."""
        public, order = known.public_data, stream.numpy("images")
        how: dict[str, Any] = {"stream": stream, "compute": compute, "progress": progress}
        how["another"] = further_reconstructors(known, self.recipe, **how)

        def draw(count: int) -> np.ndarray:
            return order.permutation(learned)[: max(count, 0)]

        count = self.modules if self.through == "shadows" else 0
        shadows = [
            fit_shadow(known, number, public.at(np.sort(draw(self.module_images))), self.module_epochs, **how)
            for number in range(count)
        ]
        published = np.sort(np.concatenate([tried, draw(self.module_images - len(tried))]))
        own = how | {"stream": replace(stream, stage=f"{stream.stage} unseen")}
        return fit_shadow(known, 0, public.at(published), None, **own), shadows

    def _standardized(self, known: Knowledge, module: nn.Module, target: Moments, compute: Compute) -> Map:
        plain = public_features(known, MEASURED, compute)
        match = match_moments(Moments.of(outputs_of(module, plain, compute)), target)
        return lambda features: match(module(features).float())


def divide_groups(groups: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of whole groups, evenly spread over their numbers, about `most` and at most half; and all others, sorted."""
    names, counts = np.unique(groups, return_counts=True)
    wanted = min(most, len(groups) // 2)
    spread = np.argsort(np.arange(len(names)) * 0.6180339887 % 1)  # so that neighbors in number fall apart
    taken = names[spread[: max(1, int(np.searchsorted(np.cumsum(counts[spread]), wanted, side="right")))]]
    is_taken = np.isin(groups, taken)
    return np.flatnonzero(is_taken), np.flatnonzero(~is_taken)


def nearest_hits(embeddings: Tensor, who: Tensor, told: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Of each row that has one to be found: whether the nearest other row [rows, values] is of the same, and by chance.

    Near is a large cosine about the mean row. `who` [rows] says whom or what a row shows. Only rows that are `told` to
    be alike, [rows], are compared, if that is given. Both answers are fp64 [rows that have another of their own].
    """
    centered = functional.normalize(embeddings.double() - embeddings.double().mean(0), dim=1)
    others = ~torch.eye(len(who), dtype=torch.bool)
    if told is not None:
        others &= told[:, None] == told[None]
    same = (who[:, None] == who[None]) & others
    asked = same.any(1)
    nearest = (centered @ centered.T).masked_fill(~others, -2.0).argmax(1)
    hits = same[torch.arange(len(who)), nearest]
    return hits[asked].double(), (same.sum(1).double() / others.sum(1).clamp(min=1))[asked]


def _through(featurizer: nn.Module, read: nn.Module) -> Map:
    return lambda images: read(featurizer(images))


def _learn(
    build: Callable[[nn.Module, int, int], Reader], known: Knowledge, depth: int, encode: Map, asked: Asked,
    rows: np.ndarray, recipe: Recipe, *, stream: Stream, compute: Compute, progress: Progress,
) -> Reader:  # fmt: skip
    """A reader trained on the public images of `rows` as `encode` shows them, batch by batch; in eval mode."""
    public = known.public_data
    with stream.initialization():
        reader = build(known.decider, depth, asked.outputs)

    def batches(generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        for index in even_batches(len(rows), recipe.batch_size, generator):
            at = rows[index.numpy()]
            with torch.no_grad(), compute.autocast():
                features = encode(public.take(at, compute.device))
            yield features.float(), asked.targets[torch.from_numpy(at)].to(compute.device)

    def seen() -> Iterator[Tensor]:
        spread = rows[:: -(-len(rows) // SETTLED)]
        for at in np.array_split(spread, -(-len(spread) // 256)):
            with torch.no_grad(), compute.autocast():
                features = encode(public.take(at, compute.device))
            yield features.float()

    compute.place(reader).requires_grad_(True).train()
    minimize(
        lambda batch: asked.loss(reader(batch[0]).float(), batch[1]), reader, batches, recipe,
        steps=steps_in(len(rows), recipe.batch_size), stream=stream, compute=compute, progress=progress,
    )  # fmt: skip
    settle_statistics(reader, seen, compute)  # few steps leave those of BatchNorm where C had them
    return freeze(reader)


def _kept(
    reader: Reader, depth: int, asked: Asked, shown: Tensor, truth: Tensor, compute: Compute
) -> dict[str, Tensor]:
    """What a rehearsal keeps of a reader, and how much more than a guess it reads of rows `shown` to it."""
    part: nn.Module = reader.embed if asked.reads_embedding else reader
    merits, guesses = asked.merit(outputs_of(nn.Sequential(part, nn.Flatten()), shown, compute), truth)
    kept = {name: value.cpu() for name, value in reader.state_dict().items()}
    return kept | {DEPTH: torch.tensor(depth), CONTROL: (merits - guesses).float()}
