"""The oracle scores what an adversary answered: the only place where an attack meets the truth."""

import numpy as np
import torch
from torch import Tensor

from collab.attacks.leaked_pairs import Repaired
from collab.metric import MetricName
from collab.metrics.audit import LEAST_SCORES, epsilon_lower_bound
from collab.metrics.priors import guess_from_others
from collab.models.freeze import freeze
from collab.participants import disclosure
from collab.participants.attacking import guess_name
from collab.participants.disclosure import by_row, compare, to_uint8
from collab.participants.guessing import attribute_measures, match_measures, membership_measures
from collab.participants.oracle import Oracle
from collab.participants.scoring import PICTURES, likeness, means, priors, worst_and_median
from collab.results.metric import of_images
from collab.scenario.base import Dp
from collab.stages.base import Job, Playing
from collab.stages.trials import Trial
from collab.stages.work.calibrate import INVERSE
from collab.stages.work.hand_out import candidates_of
from collab.store.codec import store_and_read
from collab.store.pictures import judged_file
from collab.store.private import private_folder
from collab.store.release import read_release
from collab.training.progress import Progress
from collab.types import Measure, Report

MOST_OTHERS = 4096
"""Held-out images from which is guessed what an image of a class looks like."""


def play(oracle: Oracle, job: Job, playing: Playing, progress: Progress, /) -> Report:
    """How near the answer comes to the truth, and what guesses do."""
    trial: Trial = job.order
    guess, _ = read_release(
        private_folder(oracle.layout.run, trial.attacker), guess_name(trial.attack.label, trial.victim)
    )
    answer = guess[trial.attack.answers]
    match trial.attack.answers:
        case "images":
            return _judge_images(oracle, trial, answer.to(oracle.compute.device).float() / 255)
        case "attributes":
            truth = oracle.images_at(oracle.published_rows(trial.victim)[: len(answer)])
            others = oracle.heldout.at(slice(MOST_OTHERS))
            return Report(attribute_measures(answer, truth, others, oracle.scenario.seed))
        case "matches":
            _, places = candidates_of(oracle, trial)
            return Report(match_measures(answer, torch.from_numpy(places), oracle.scenario.seed))
        case "members":
            _, places = candidates_of(oracle, trial)
            is_member, scores = np.isin(np.arange(len(answer)), places), answer.numpy()
            asked = playing.stated(trial.victim).defenses[0].asked_privacy
            found = () if asked is None else _find_epsilon(scores, is_member, asked)
            return Report((*membership_measures(scores, is_member, oracle.scenario.seed), *found))


def _find_epsilon(scores: np.ndarray, is_member: np.ndarray, asked: Dp) -> tuple[Measure, ...]:
    """What the scores prove of ε, where there are enough of both kinds to prove anything."""
    members, others = scores[is_member], scores[~is_member]
    if min(len(members), len(others)) < LEAST_SCORES:
        return ()
    return (Measure("dp_epsilon_found", epsilon_lower_bound(members, others, delta=asked.delta), n=len(scores)),)


def _judge_images(oracle: Oracle, trial: Trial, rebuilt: Tensor) -> Report:
    device = oracle.compute.device
    order = oracle.published_order(trial.victim)[: len(rebuilt)]
    attacked = oracle.assignment.entities[trial.victim].rows[order]
    truth = oracle.images_at(attacked)
    images = truth.take(np.arange(len(truth)), device)
    seed, labels = oracle.scenario.seed, torch.from_numpy(truth.classes).to(device)
    heldout = oracle.heldout.at(slice(MOST_OTHERS))  # images of the same classes that are nobody's
    guessed = guess_from_others(
        heldout.take(np.arange(len(heldout)), device), torch.from_numpy(heldout.classes).to(device), labels,
        oracle.stream("judge").torch(f"unrelated {trial.victim}"),
    )  # fmt: skip
    inverse = Repaired.of_state(read_release(oracle.private, INVERSE)[0], oracle.new_reconstructor())
    freeze(oracle.compute.place(inverse))

    def opened(rows: np.ndarray) -> Tensor:
        features = store_and_read(oracle.features(images[rows]), oracle.spec.dtype)
        with torch.no_grad(), oracle.compute.autocast():
            return inverse(features.to(device).float()).float()

    by_attack, by_open = (compare(shown, by_row(images), labels, oracle.eye) for shown in (by_row(rebuilt), opened))
    by_guess = {name: compare(by_row(guess), by_row(images), labels, oracle.eye) for name, guess in guessed.items()}
    ssim_max = next(name for name in by_attack if MetricName.parse(name).quantity == "ssim_max")
    worst, _ = worst_and_median(by_attack[ssim_max].numpy())
    shown = np.concatenate([worst, np.arange(min(PICTURES, len(images)))])
    pictures = np.stack([to_uint8(part[torch.from_numpy(shown)]) for part in (images, rebuilt)])
    np.save(oracle.private / judged_file(trial.attacker, trial.attack.label, trial.victim), pictures)
    measures = [
        *(score for score in likeness(rebuilt, images, seed) if score.metric not in by_attack),
        *means({name: metric(rebuilt, images) for name, metric in of_images(oracle.metrics).items()}, seed),
        *priors(guessed, images, seed),
        *disclosure.comparison_measures(by_attack, seed),
        *means({f"{metric}_open": values for metric, values in by_open.items()}, seed),
        *disclosure.leakage_measures(by_attack, by_open, by_guess, seed),
    ]
    options = oracle.scenario.disclosure
    if options is not None:
        others = np.setdiff1d(oracle.holding.rows, attacked, assume_unique=True)
        room = max(options.gallery - len(images), 0)
        more = oracle.stream("judge").numpy(f"gallery {trial.victim}").permutation(others)[:room]
        gallery = torch.cat([images, oracle.images_at(np.sort(more)).take(np.arange(len(more)), device)])
        places = torch.arange(min(len(images), options.queries), device=device)
        ranks = disclosure.Gallery(gallery, oracle.eye.recognizer).ranks(rebuilt[: len(places)], places)
        measures += [*disclosure.rank_measures(ranks, seed), Measure("gallery", len(gallery))]
    return Report(tuple(measures))
