"""Controls of an attack (ATTACKS 3.1): what it makes of plain features, of noise, and of rows of other images."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from collab.metrics.priors import class_mean_prior
from collab.metrics.scores import mean_measure
from collab.metrics.visual import ssim
from collab.participants.attacking import guess_name
from collab.runtime.play import Played
from collab.scenario.base import Answers
from collab.store.release import read_release


@dataclass(frozen=True)
class Check:
    """One thing to be kept: `problem` says what failed and what to do, or is empty; `figure` is what was seen."""

    name: str
    problem: str = ""
    figure: str = ""


JUDGED: Mapping[str, tuple[str, str | None]] = {
    "matches": ("match_top1", "match_chance"),
    "members": ("membership_auc", None),
    "attributes": ("attribute_r2[brightness]", "attribute_r2[brightness]_prior_class_mean"),
}
"""The metric by which an attack is judged that answers no images, and that of a guess; None stands for one half."""


def check_controls(played: Played, label: str, answers: Answers) -> Iterator[Check]:
    """The controls of the attack called `label`, which a run has tried on `plain` features and on `noise`."""
    if answers not in ("images", *JUDGED):  # rows have labels beside them, and the images of the kit show nobody
        return
    if answers != "images":
        yield from _check_answers(played, label, *JUDGED[answers])
        return
    score, low, prior = _scores(played, label, "plain", shuffled=False)
    figure = f"SSIM {score:.3f} from unprotected features, {prior:.3f} for the class mean"
    weak = f"{figure}: it fails where nothing is hidden, so its failures say nothing. Train it more."
    yield Check("positive control", "" if low > prior else weak, figure)
    for name, victim, shuffled in (("noise", "noise", False), ("rows of others", "plain", True)):
        score, low, prior = _scores(played, label, victim, shuffled=shuffled)
        figure = f"SSIM {score:.3f}, {prior:.3f} for the class mean"
        leak = f"{figure}: there is nothing to see, so truth has leaked. Use what `known` holds alone."
        yield Check(f"negative control: {name}", "" if low <= prior else leak, figure)


def _check_answers(played: Played, label: str, metric: str, guess: str | None) -> Iterator[Check]:
    """The controls of an attack that rebuilds no images, by what the oracle says of plain features and of noise."""
    results = {(result.entity, result.metric): result for result in played.rows if result.attack == label}
    for victim, name in (("plain", "positive control"), ("noise", "negative control: noise")):
        score, prior = results[victim, metric], results[victim, guess] if guess else None
        most = 0.5 if prior is None else float(prior.high if prior.high is not None else prior.value or 0)
        figure = f"{metric} {score.value:.3f}, {most:.3f} for a guess"
        sees = score.low is not None and score.low > most
        weak = f"{figure}: it fails where nothing is hidden, so its failures say nothing. Give it more to go by."
        leak = f"{figure}: there is nothing to see, so truth has leaked. Use what `known` holds alone."
        problem = ("" if sees else weak) if victim == "plain" else leak if sees else ""
        yield Check(name, problem, figure)


def _scores(played: Played, label: str, victim: str, *, shuffled: bool) -> tuple[float, float, float]:
    """SSIM of what was rebuilt, mean and lower end of its interval, and of the class mean of the other images."""
    private = played.run / "private"
    rebuilt = read_release(private / "mine", guess_name(label, victim))[0]["images"].float() / 255
    order = np.load(private / victim / "published.npy")[: len(rebuilt)]
    labels = torch.from_numpy(np.load(private / victim / "labels.npy")[order])
    truth = torch.from_numpy(np.load(private / victim / "images.npy")[order]).float() / 255
    if shuffled:
        generator = torch.Generator().manual_seed(0)
        for each in np.unique(labels.numpy()):
            members = torch.nonzero(labels == each)[:, 0]
            truth[members] = truth[members.roll(1 + int(torch.randint(len(members) - 1, (), generator=generator)))]
    score = mean_measure("ssim", ssim(rebuilt, truth), 0)
    prior = float(ssim(class_mean_prior(truth, labels), truth).mean())
    return score.value, score.low or 0.0, prior
