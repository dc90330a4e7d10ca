"""A participant with a defense: its module, and what that makes of images and features."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from collab.defenses.base import Defense
from collab.models.backbones import is_rectified
from collab.participants.conversions import Conversion, conversion_of
from collab.participants.participant import Participant
from collab.scenario.base import EntityOptions
from collab.store.codec import store_and_read
from collab.store.release import read_release
from collab.training.recipes import batched


class Defended(Participant):
    """A holder of images who protects what it publishes; `options` are those of the scenario."""

    defense: Defense
    options: EntityOptions

    @property
    def conversion(self) -> Conversion:
        """How the form of its defense is played."""
        return conversion_of(self.defense.form)

    def new_module(self, defense: Defense | None = None) -> nn.Module:
        """The module of a defense (its own unless given), untrained."""
        model, defense = self.scenario.model, defense or self.defense
        rectified = is_rectified(model.architecture, model.hook)
        return conversion_of(defense.form).new_module(
            defense, lambda: self.released, self.spec.shape[0], rectified=rectified
        )

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
        conversion, featurizer = conversion_of(defense.form), self.released.featurizer

        def encode(images: Tensor) -> Tensor:
            given = images if defense.form.takes_images else featurizer(images)
            return conversion.features_for_peers(self.defend(module, given), self.features)

        return encode

    def whole_heldout_as_published(self, module: nn.Module) -> Tensor:
        """What peers would have of all held-out images, a few at a time."""
        pieces = batched(torch.arange(len(self.heldout)))
        return torch.cat([self.heldout_as_published(module, part.numpy()) for part in pieces])

    def heldout_as_published(self, module: nn.Module, rows: np.ndarray) -> Tensor:
        """What peers would have of held-out images, as stored: P(F(x)), E(x), or F(M(x)) of published images."""
        is_image = self.defense.form.takes_images
        given = self.heldout.take(rows, self.compute.device) if is_image else self.heldout_features[0][rows]
        changed = self.conversion.features_for_peers(self.defend(module, given), self.features)
        return store_and_read(changed, self.spec.dtype)
