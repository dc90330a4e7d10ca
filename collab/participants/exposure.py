"""What published features of held-out images give away beside the task: single attributes, individuals, looks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from collab.errors import EntityError
from collab.metrics.identity import between_variance, knn_hits, lda_score, tsne, within_variance
from collab.metrics.reidentification import embed
from collab.metrics.scores import mcc_measure, mean_measure
from collab.metrics.visual import l1, psnr, ssim, ssim_window
from collab.models.decoders import build_decoder, build_discriminator
from collab.models.recognizer import Recognizer
from collab.participants.disclosure import drawn, to_uint8
from collab.participants.layout import load_images, load_numbers
from collab.participants.participant import Participant
from collab.participants.scoring import PICTURES
from collab.scenario.measuring import Decoder, Learner
from collab.seeding import Stream
from collab.store.pictures import Exhibit
from collab.training.adversarial import Game, adversary_turns, feature_attack_loss
from collab.training.feeds import ImageSet, even_batches, steps_in
from collab.training.loop import Recipe, minimize, take_turns
from collab.training.precision import Compute
from collab.training.progress import Progress
from collab.training.recipes import outputs_of
from collab.training.tasks import Task
from collab.types import Measure

Batches = Callable[[torch.Generator], Iterator[tuple[Tensor, Tensor]]]
"""One pass: features [batch, channels, height, width], and what is to be read from them."""

MAPPED = 500
"""Held-out images on a map: more are a blot."""

HIDDEN = 512
"""Units between the two layers of M, which reads an embedding from features; Xiao et al. state no number."""


@dataclass(frozen=True)
class Bench:
    """Where something is trained and scored."""

    stream: Stream
    compute: Compute
    progress: Progress
    seed: int

    def trained(
        self, network: nn.Module, loss: Callable[[nn.Module, tuple[Tensor, Tensor]], Tensor], batches: Batches,
        learner: Learner, rows: int, purpose: str,
    ) -> nn.Module:  # fmt: skip
        """`network` in eval mode, after minimizing `loss` of it and a batch."""
        self.compute.place(network).train()
        minimize(
            lambda batch: loss(network, batch), network, batches, Recipe.of(learner),
            steps=steps_in(rows, learner.batch_size), stream=self.renamed(purpose), compute=self.compute,
            progress=self.progress,
        )  # fmt: skip
        return network.eval()

    def renamed(self, purpose: str) -> Stream:
        """A stream of its own for one of several trainings."""
        return Stream(self.stream.seed, self.stream.entity, f"{self.stream.stage} {purpose}")


@dataclass(frozen=True)
class Exposed:
    """What is looked at: held-out features as published, `shown`, and how any image would be, `encode`.

    `reader` is the decider of published features.
    """

    shown: Tensor
    encode: Callable[[Tensor], Tensor]
    reader: nn.Module


def exposed(who: Participant, it: Exposed, progress: Progress) -> tuple[tuple[Measure, ...], Exhibit]:
    """All that the scenario's `exposure` asks about what an entity publishes, and what there is to look at."""
    stated, told = who.scenario.exposure, list[Measure]()
    assert stated is not None  # else this stage is not played
    bench = Bench(who.stream("expose"), who.compute, progress, who.scenario.seed)
    public, everything = load_images(who.layout.public), np.arange(len(who.heldout))
    images = who.heldout.take(everything, who.compute.device)
    if stated.attributes:
        told += attribute_measures(it, who.task, torch.from_numpy(who.heldout.labels), stated.attributes, bench)
    embedding = who.embedding
    individuals = load_numbers(who.layout.heldout, "identities")
    if stated.embedding is not None and embedding is not None and individuals is not None:
        told += identity_measures(it.shown.float(), torch.from_numpy(individuals))
        true = embed(embedding.embedding, images)
        told.append(feature_similarity(bench, stated.embedding, public, it.encode, embedding, it.shown, true))
    seen, kept = drawn(len(who.heldout), who.scenario.seed)[:PICTURES], list[np.ndarray]()
    for decoder in stated.decoders:
        rebuilt, measures = decoder_attack(bench, decoder, public, it.encode, embedding, it.shown, images)
        told += measures
        kept.append(to_uint8(rebuilt[torch.from_numpy(seen)]))
    columns = [who.task.names.index(name) for name in stated.attributes]
    exhibit = Exhibit(
        rows=seen,
        original=to_uint8(images[torch.from_numpy(seen)]),
        from_original=to_uint8(who.reconstruction(who.heldout_features[0][seen])),
        from_published=to_uint8(who.reconstruction(it.shown[seen])),
        decoders=np.array([each.name for each in stated.decoders], dtype=np.str_),
        decoded=np.array(kept, dtype=np.uint8).reshape(len(kept), len(seen), *images.shape[1:]),
        attributes=np.array(stated.attributes, dtype=np.str_),
        positions=tsne(it.shown[:MAPPED], who.scenario.seed).numpy() if columns else np.zeros((0, 2), dtype=np.float32),
        is_true=who.heldout.labels[:MAPPED, columns] > 0.5 if columns else np.zeros((0, 0), dtype=bool),
    )
    return tuple(told), exhibit


class Asked(nn.Module):
    """An encoder that can be asked, and of which nothing else is known."""

    def __init__(self, encode: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._encode = encode

    def forward(self, images: Tensor) -> Tensor:
        """What is published of images."""
        return self._encode(images)


def identity_measures(features: Tensor, identities: Tensor) -> tuple[Measure, ...]:
    """Variances of features [rows, ...] within and between individuals, and the corrected LDA score."""
    count = len(features)
    return (
        Measure("within_variance", within_variance(features, identities), n=count),
        Measure("between_variance", between_variance(features, identities), n=count),
        Measure("lda", lda_score(features, identities), n=count),
    )


def attribute_measures(
    it: Exposed, task: Task, labels: Tensor, names: Sequence[str], bench: Bench
) -> tuple[Measure, ...]:
    """For each attribute of `names`: MCC of the decider, k-NN accuracy, and what the larger class scores.

    Raises EntityError for one that the task does not ask.
    """
    if unknown := sorted(set(names) - set(task.names)):
        raise EntityError(f"exposure asks for {', '.join(unknown)}; the task asks {', '.join(task.names)}.")
    outputs, told = outputs_of(it.reader, it.shown, bench.compute), list[Measure]()
    for name in names:
        column = task.names.index(name)
        is_true = labels[:, column] > 0.5
        rate = float(is_true.double().mean())
        hits = knn_hits(it.shown.float(), is_true)
        told += [
            mcc_measure(f"mcc[{name}]", outputs[:, column, None].sigmoid(), is_true[:, None], bench.seed),
            mean_measure(f"knn[{name}]", hits, bench.seed),
            Measure(f"knn_chance[{name}]", max(rate, 1 - rate), n=len(labels)),
        ]
    return tuple(told)


def feature_similarity(
    bench: Bench, learner: Learner, public: ImageSet, encode: Callable[[Tensor], Tensor], embedding: Recognizer,
    shown: Tensor, true: Tensor,
) -> Measure:  # fmt: skip
    """The feature-level attack (10): cos(M(z), h(x)), M trained on public images, over held-out ones.

    `shown` are z of held-out images, `true` their h(x); h is our own embedding of individuals of the public images.
    """
    channels = shown[0].numel()
    with bench.renamed("feature attack").initialization():
        network = nn.Sequential(nn.Flatten(), nn.Linear(channels, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, true.shape[1]))

    def batches(generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in even_batches(len(public), learner.batch_size, generator):
            images = public.take(rows.numpy(), bench.compute.device)
            yield encode(images), embed(embedding.embedding, images)

    def loss(learning: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        return feature_attack_loss(learning(batch[0]), batch[1])

    bench.trained(network, loss, batches, learner, len(public), "feature attack")
    found = outputs_of(network, shown, bench.compute)
    return mean_measure("feature_similarity", cosine_similarity(found, true.cpu()), bench.seed)


def decoder_attack(
    bench: Bench, stated: Decoder, public: ImageSet, encode: Callable[[Tensor], Tensor], embedding: Recognizer | None,
    shown: Tensor, images: Tensor,
) -> tuple[Tensor, tuple[Measure, ...]]:  # fmt: skip
    """What a fresh decoder, trained by (5) on public images as a black box encodes them, rebuilds; and its scores.

    `shown` are features of held-out images, `images` [rows, 3, side, side] the truth.
    """
    learned, side = public.first(stated.share), images.shape[-1]
    channels, height, width = shown.shape[1:]
    stream = bench.renamed(f"decoder {stated.name}")
    with stream.initialization():
        decoder = build_decoder((channels, height, width), side)
        discriminator = build_discriminator(side) if stated.gan_weight else None
    game = Game(Asked(encode), nn.Identity(), decoder, discriminator, None, 0.0, 0.0, 0.0, stated.gan_weight)
    players = {name: bench.compute.place(each) for name, each in game.players.items() if name in ("Dec", "D")}

    def batches(generator: torch.Generator) -> Iterator[Tensor]:
        for rows in even_batches(len(learned), stated.batch_size, generator):
            yield learned.take(rows.numpy(), bench.compute.device)

    take_turns(
        lambda batch, _, __: adversary_turns(game, batch), players, batches, Recipe.of(stated),
        steps=steps_in(len(learned), stated.batch_size), stream=stream, compute=bench.compute, progress=bench.progress,
    )  # fmt: skip
    rebuilt = outputs_of(decoder, shown, bench.compute).to(images.device)
    found = {"l1": l1, "psnr": psnr, f"ssim{ssim_window(side)[0]}": ssim}
    told = {f"decoded_{name}[{stated.name}]": metric(rebuilt, images) for name, metric in found.items()}
    if embedding is not None:
        with torch.no_grad():
            likeness = cosine_similarity(embed(embedding.embedding, rebuilt), embed(embedding.embedding, images))
        told[f"face_similarity[{stated.name}]"] = likeness
    return rebuilt, tuple(mean_measure(name, values, bench.seed) for name, values in told.items())
