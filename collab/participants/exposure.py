"""What published features of held-out images give away beside the task: single attributes, individuals, looks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

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
from collab.participants.disclosure import draw_rows, to_uint8
from collab.participants.layout import load_images, load_numbers
from collab.participants.participant import Participant
from collab.participants.scoring import PICTURES, means
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

MAPPED = 500
"""Held-out images on a map: more are a blot."""

HIDDEN = 512
"""Units between the two layers of M, which reads an embedding from features; Xiao et al. state no number."""


@dataclass(frozen=True)
class Bench:
    """Where something is trained and scored, each training with a `stream` of its own by what it is for."""

    stream: Callable[[str], Stream]
    compute: Compute
    progress: Progress
    seed: int


@dataclass(frozen=True)
class Published:
    """What is looked at: `features` of held-out images as published, and how any image would be, `encode`.

    `reader` is the decider of published features.
    """

    features: Tensor
    encode: Callable[[Tensor], Tensor]
    reader: nn.Module


def measure_exposure(
    participant: Participant, published: Published, progress: Progress
) -> tuple[tuple[Measure, ...], Exhibit]:
    """All that the scenario's `exposure` asks about what an entity publishes, and what there is to look at."""
    options, heldout, measures = participant.scenario.exposure, participant.heldout, list[Measure]()
    assert options is not None  # else this stage is not played
    features, seed = published.features, participant.scenario.seed
    bench = Bench(lambda purpose: participant.stream(f"expose {purpose}"), participant.compute, progress, seed)
    public, embedding = load_images(participant.layout.public), participant.embedding
    images = heldout.take(np.arange(len(heldout)), bench.compute.device)
    if options.attributes:
        labels = torch.from_numpy(heldout.labels)
        measures += attribute_measures(published, participant.task, labels, options.attributes, bench)
    individuals = load_numbers(participant.layout.heldout, "identities")
    if options.embedding is not None and embedding is not None and individuals is not None:
        measures += identity_measures(features.float(), torch.from_numpy(individuals))
        true = embed(embedding.embedding, images)
        measures.append(feature_similarity(bench, options.embedding, published, public, embedding, true))
    rows, decoded = draw_rows(len(heldout), seed)[:PICTURES], list[np.ndarray]()
    for decoder in options.decoders:
        rebuilt, scores = decoder_attack(bench, decoder, published, public, embedding, images)
        measures += scores
        decoded.append(to_uint8(rebuilt[torch.from_numpy(rows)]))
    columns = [participant.task.names.index(name) for name in options.attributes]
    exhibit = Exhibit(
        rows=rows,
        original=to_uint8(images[torch.from_numpy(rows)]),
        from_original=to_uint8(participant.reconstruction(participant.heldout_features[0][rows])),
        from_published=to_uint8(participant.reconstruction(features[rows])),
        decoders=np.array([decoder.name for decoder in options.decoders], dtype=np.str_),
        decoded=np.array(decoded, dtype=np.uint8).reshape(len(decoded), len(rows), *images.shape[1:]),
        attributes=np.array(options.attributes, dtype=np.str_),
        positions=tsne(features[:MAPPED], seed).numpy() if columns else np.zeros((0, 2), dtype=np.float32),
        is_true=heldout.labels[:MAPPED, columns] > 0.5 if columns else np.zeros((0, 0), dtype=bool),
    )
    return tuple(measures), exhibit


class BlackBox(nn.Module):
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
    published: Published, task: Task, labels: Tensor, names: Sequence[str], bench: Bench
) -> tuple[Measure, ...]:
    """For each attribute of `names`: MCC of the decider, k-NN accuracy, and what the larger class scores.

    Raises EntityError for one that the task does not ask.
    """
    if unknown := sorted(set(names) - set(task.names)):
        raise EntityError(f"exposure asks for {', '.join(unknown)}; the task asks {', '.join(task.names)}.")
    outputs = outputs_of(published.reader, published.features, bench.compute)
    measures = list[Measure]()
    for name in names:
        column = task.names.index(name)
        is_true = labels[:, column] > 0.5
        rate = float(is_true.double().mean())
        hits = knn_hits(published.features.float(), is_true)
        measures += [
            mcc_measure(f"mcc[{name}]", outputs[:, column, None].sigmoid(), is_true[:, None], bench.seed),
            mean_measure(f"knn[{name}]", hits, bench.seed),
            Measure(f"knn_chance[{name}]", max(rate, 1 - rate), n=len(labels)),
        ]
    return tuple(measures)


def feature_similarity(
    bench: Bench, learner: Learner, published: Published, public: ImageSet, embedding: Recognizer, true: Tensor
) -> Measure:
    """The feature-level attack (10): cos(M(z), h(x)), M trained on public images, over held-out ones.

    z are published features of held-out images, `true` their h(x); h is our own embedding of individuals of the public
    images.
    """
    stream, device = bench.stream("feature attack"), bench.compute.device
    with stream.initialization():
        network = nn.Sequential(
            nn.Flatten(), nn.Linear(published.features[0].numel(), HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, true.shape[1])
        )

    def batches(generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        for images in _batches(public, learner.batch_size, device, generator):
            yield published.encode(images), embed(embedding.embedding, images)

    minimize(
        lambda batch: feature_attack_loss(network(batch[0]), batch[1]), bench.compute.place(network).train(), batches,
        Recipe.of(learner), steps=steps_in(len(public), learner.batch_size), stream=stream, compute=bench.compute,
        progress=bench.progress,
    )  # fmt: skip
    answers = outputs_of(network.eval(), published.features, bench.compute)
    return mean_measure("feature_similarity", cosine_similarity(answers, true.cpu()), bench.seed)


def decoder_attack(
    bench: Bench, options: Decoder, published: Published, public: ImageSet, embedding: Recognizer | None, images: Tensor
) -> tuple[Tensor, tuple[Measure, ...]]:
    """What a fresh decoder, trained by (5) on public images as a black box encodes them, rebuilds; and its scores.

    `images` [rows, 3, side, side] are the truth behind the published features.
    """
    learned, side = public.first(options.share), images.shape[-1]
    channels, height, width = published.features.shape[1:]
    stream = bench.stream(f"decoder {options.name}")
    with stream.initialization():
        decoder = build_decoder((channels, height, width), side)
        discriminator = build_discriminator(side) if options.gan_weight else None
    encoder = BlackBox(published.encode)
    game = Game(encoder, nn.Identity(), decoder, discriminator, None, 0.0, 0.0, 0.0, options.gan_weight)
    take_turns(
        lambda batch, _, __: adversary_turns(game, batch),
        {name: bench.compute.place(player) for name, player in game.players.items() if name in ("Dec", "D")},
        partial(_batches, learned, options.batch_size, bench.compute.device), Recipe.of(options),
        steps=steps_in(len(learned), options.batch_size), stream=stream, compute=bench.compute, progress=bench.progress,
    )  # fmt: skip
    rebuilt = outputs_of(decoder, published.features, bench.compute).to(images.device)
    metrics = {"l1": l1, "psnr": psnr, f"ssim{ssim_window(side)[0]}": ssim}
    scores = {f"decoded_{name}[{options.name}]": metric(rebuilt, images) for name, metric in metrics.items()}
    if embedding is not None:
        with torch.no_grad():
            likeness = cosine_similarity(embed(embedding.embedding, rebuilt), embed(embedding.embedding, images))
        scores[f"face_similarity[{options.name}]"] = likeness
    return rebuilt, means(scores, bench.seed)


def _batches(images: ImageSet, size: int, device: torch.device, generator: torch.Generator) -> Iterator[Tensor]:
    """One pass over images [batch, 3, side, side]."""
    for rows in even_batches(len(images), size, generator):
        yield images.take(rows.numpy(), device)
