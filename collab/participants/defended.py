"""A participant with a defense: its module, and what that makes of images and features."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from collab.defenses.base import Defense
from collab.models.backbones import Encoder, is_rectified
from collab.participants.participant import Participant
from collab.participants.published_images import as_published
from collab.scenario.base import EntityOptions
from collab.store.codec import store_and_read
from collab.store.release import read_release
from collab.training.recipes import batched


class Defended(Participant):
    """A holder of images who protects what it publishes; `options` are those of the scenario."""

    defense: Defense
    options: EntityOptions

    @property
    def publishes_images(self) -> bool:
        """Whether its defense changes images, and those are what it publishes."""
        return self.defense.publishes == "images"

    def new_module(self, defense: Defense | None = None) -> nn.Module:
        """The module of a defense (its own unless given), untrained."""
        model, wanted = self.scenario.model, defense or self.defense
        if wanted.publishes == "images":
            return wanted.build(3, rectified=False)
        if wanted.encodes:
            return Encoder.begin_as(self.released)
        return wanted.build(self.spec.shape[0], rectified=is_rectified(model.backbone, model.hook))

    def fitted_module(self, defense: Defense | None = None, state: Mapping[str, Tensor] | None = None) -> nn.Module:
        """The module of a defense with its `state`; the own one as it was fitted unless given."""
        module = self.new_module(defense)
        module.load_state_dict(read_release(self.private, "defense")[0] if state is None else state)
        return module

    def defend(self, module: nn.Module, features: Tensor) -> Tensor:
        """P(f), E(x), or M(x), in eval mode, so that no row depends on its batch mates; fp32, on the device."""
        self.compute.place(module).eval()
        with torch.no_grad(), self.compute.autocast():
            changed: Tensor = module(features.to(self.compute.device).float())
        return changed.float()

    def encoder(self, defense: Defense, module: nn.Module) -> Callable[[Tensor], Tensor]:
        """What turns images [batch, 3, side, side] into what an entity with this defense and module publishes."""
        run, featurize = partial(self.defend, module), self.released.featurizer
        if defense.publishes == "images":
            return lambda images: self.features(as_published(run(images)))
        return run if defense.encodes else lambda images: run(featurize(images))

    def decider_of(self, module: nn.Module) -> nn.Module:
        """What reads what it publishes: the decider that learned beside its encoder, else the released C."""
        return module.decider if isinstance(module, Encoder) else self.released.decider

    def whole_heldout_as_published(self, module: nn.Module) -> Tensor:
        """What peers would have of all held-out images, a few at a time."""
        pieces = batched(torch.arange(len(self.heldout)))
        return torch.cat([self.heldout_as_published(module, part.numpy()) for part in pieces])

    def heldout_as_published(self, module: nn.Module, rows: np.ndarray) -> Tensor:
        """What peers would have of held-out images, as stored: P(F(x)), E(x), or F(M(x)) of published images."""
        features, _ = self.heldout_features
        if self.publishes_images:
            encode = self.encoder(self.defense, module)
            return store_and_read(encode(self.heldout.take(rows, self.compute.device)), self.spec.dtype)
        given = self.heldout.take(rows, self.compute.device) if self.defense.encodes else features[rows]
        return store_and_read(self.defend(module, given), self.spec.dtype)
