r"""Adversarial representations: the equations of Xiao et al. (AAAI 2020), one function each, and the turns of training.

Enc encodes, f reads the task, Dec rebuilds, D tells real images from rebuilt ones, g sees as people do; numbers in
parentheses are the paper's. Its formulas did not survive typesetting and are derived from its prose (SCIENCE 1.5).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from collab.models.freeze import freeze
from collab.seeding import Stream
from collab.training.columns import Column, Numbers
from collab.training.feeds import ImageSet, Pictures, numbered_batches, steps_in
from collab.training.loop import Recipe, Turn, take_turns
from collab.training.precision import Compute
from collab.training.progress import Progress


def pixel_distance(
    rebuilt: Float[Tensor, "batch 3 height width"], images: Float[Tensor, "batch 3 height width"]
) -> Float[Tensor, ""]:
    r"""(1) on $X_{adv}$, (7) on $X_{prv}$: $\mathbb E \lVert \hat x - x \rVert^2$.

    Departure: the mean over values, not their sum, so that a weight means the same at any size of image.
    """
    return (rebuilt.float() - images.float()).square().mean()


def perceptual_distance(rebuilt: Sequence[Tensor], true: Sequence[Tensor]) -> Float[Tensor, ""]:
    r"""(4) on $X_{adv}$, (8) on $X_{prv}$: $\mathbb E \lVert g(\hat x) - g(x) \rVert^2$ over the activations of g.

    Departure: the mean over the values of each layer, summed over layers, so that none outweighs others by size.
    """
    total: Tensor = sum(
        ((a.float() - b.float()).square().mean() for a, b in zip(rebuilt, true, strict=True)),
        start=rebuilt[0].new_zeros(()),
    )
    return total


def deception_loss(fooled: Float[Tensor, "batch 1"]) -> Float[Tensor, ""]:
    r"""(2): $\mathbb E \log(1 - D(\hat x))$, which Dec minimizes; `fooled` are D's logits of rebuilt images."""
    return -functional.softplus(fooled.float()).mean()  # log(1 - sigmoid(d)) = -softplus(d)


def discernment(real: Float[Tensor, "batch 1"], fooled: Float[Tensor, "batch 1"]) -> Float[Tensor, ""]:
    r"""(3): $\mathbb E \log D(x) + \mathbb E \log(1 - D(\hat x))$, which D **maximizes**; from its logits."""
    return -functional.softplus(-real.float()).mean() - functional.softplus(fooled.float()).mean()


def decoder_loss(
    pixel: Tensor, perceptual: Tensor | float, deception: Tensor | float, *, perceptual_weight: float, gan_weight: float
) -> Tensor:
    r"""(5): $L^{Dec}_{pix} + \mu_p L^{Dec}_{per} + \mu_g L^{Dec}_{gan}$."""
    return pixel + perceptual_weight * perceptual + gan_weight * deception


def protector_loss(
    utility: Tensor, pixel: Tensor, perceptual: Tensor | float, *, pixel_weight: float, perceptual_weight: float
) -> Tensor:
    r"""(9): $L_u - \lambda_r L^{Enc}_{pix} - \lambda_p L^{Enc}_{per}$: useful, and far from what Dec makes of it."""
    return utility - pixel_weight * pixel - perceptual_weight * perceptual


def feature_attack_loss(
    predicted: Float[Tensor, "batch dimensions"], embedded: Float[Tensor, "batch dimensions"]
) -> Float[Tensor, ""]:
    r"""(10): $\mathbb E \lVert M(z) - h(x) \rVert^2$, the mean over values; h is fixed."""
    return (predicted.float() - embedded.detach().float()).square().mean()


@dataclass(frozen=True)
class Game:
    """The networks of the game and its weights; without a discriminator there is no (2), (3), without g no (4), (8)."""

    encoder: nn.Module
    head: nn.Module
    decoder: nn.Module
    discriminator: nn.Module | None
    perceive: Callable[[Tensor], Sequence[Tensor]] | None
    pixel_weight: float
    perceptual_weight: float
    decoder_perceptual_weight: float
    gan_weight: float

    @property
    def players(self) -> Mapping[str, nn.Module]:
        """The networks that learn, by the names of the paper; Enc is first."""
        players = {"Enc": self.encoder, "f": self.head, "Dec": self.decoder}
        return players if self.discriminator is None else {**players, "D": self.discriminator}


def adversary_turns(game: Game, images: Float[Tensor, "batch 3 height width"]) -> Iterator[Turn]:
    """Dec by (5), then D by (3), on the adversary's own images; Enc and f stand still and are asked as a black box."""
    encode, decode, tell, perceive = game.encoder, game.decoder, game.discriminator, game.perceive

    def rebuild_better() -> Tensor:
        rebuilt = decode(encode(images))
        looks: Tensor | float = 0.0
        if perceive is not None and game.decoder_perceptual_weight:
            looks = perceptual_distance(perceive(rebuilt), perceive(images))
        deceived = 0.0 if tell is None else deception_loss(tell(rebuilt))
        return decoder_loss(
            pixel_distance(rebuilt, images), looks, deceived,
            perceptual_weight=game.decoder_perceptual_weight, gan_weight=game.gan_weight,
        )  # fmt: skip

    yield Turn(("Dec",), rebuild_better)
    if tell is not None:
        yield Turn(("D",), lambda: -discernment(tell(images), tell(decode(encode(images)))))


def protector_turn(
    game: Game,
    images: Float[Tensor, "batch 3 height width"],
    targets: Tensor,
    task_loss: Callable[[Tensor, Tensor], Tensor],
) -> Turn:
    """Enc and f by (9) on private images; Dec stands still, and gradients flow through it."""

    def defend() -> Tensor:
        features = game.encoder(images)
        utility = task_loss(game.head(features), targets)
        if not (game.pixel_weight or game.perceptual_weight):
            return utility
        rebuilt = game.decoder(features)
        looks: Tensor | float = 0.0
        if game.perceive is not None and game.perceptual_weight:
            looks = perceptual_distance(game.perceive(rebuilt), game.perceive(images))
        return protector_loss(
            utility, pixel_distance(rebuilt, images), looks,
            pixel_weight=game.pixel_weight, perceptual_weight=game.perceptual_weight,
        )  # fmt: skip

    return Turn(("Enc", "f"), defend)


def train_encoder(
    game: Game,
    images: ImageSet,
    targets: Tensor,
    public: ImageSet,
    recipe: Recipe,
    *,
    head_start: int,
    task_loss: Callable[[Tensor, Tensor], Tensor],
    stream: Stream,
    compute: Compute,
    progress: Progress,
) -> tuple[float, ...]:
    """Alternates (5), (3) on `public` with (9) on `images`, batch by batch; changes all players and leaves them frozen.

    Row i of `targets` belongs to image i. `head_start`: passes over `public` in which Dec and D learn alone, so that
    there is an adversary from the start. An epoch is a pass over `images`; `public` is dealt anew where it is shorter.
    Without weights there is no game: Dec is left alone. Returns the mean loss (9) of each epoch.
    """
    for player in game.players.values():
        freeze(compute.place(player))
    has_game = bool(game.pixel_weight or game.perceptual_weight)

    device, size = compute.device, recipe.batch_size
    private, answers, others = Pictures(images, device), Column(targets, device), Pictures(public, device)

    def dealt(held: ImageSet, generator: torch.Generator) -> Iterator[Numbers]:
        return numbered_batches(len(held), size, generator, device)

    if has_game and head_start:
        take_turns(
            lambda batch, _, __: adversary_turns(game, batch),
            {name: player for name, player in game.players.items() if name in ("Dec", "D")},
            lambda generator: map(others.take, dealt(public, generator)),
            replace(recipe, epochs=head_start),
            steps=steps_in(len(public), size), stream=replace(stream, stage=f"{stream.stage} head start"),
            compute=compute, progress=progress,
        )  # fmt: skip

    def batches(generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        adversary = (numbers for _ in count() for numbers in dealt(public, generator))
        for numbers in dealt(images, generator):
            yield private.take(numbers), answers.take(numbers), others.take(next(adversary))

    def turns(batch: tuple[Tensor, Tensor, Tensor], index: int, epoch: int) -> Iterator[Turn]:
        mine, wanted, theirs = batch
        if has_game:
            yield from adversary_turns(game, theirs)
        yield protector_turn(game, mine, wanted, task_loss)

    return take_turns(
        turns, game.players, batches, recipe,
        steps=steps_in(len(images), size), stream=stream, compute=compute, progress=progress,
    )  # fmt: skip
