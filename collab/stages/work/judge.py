"""The oracle scores what an adversary answered: the only place where an attack meets the truth.

Means go into the report, what each image got into its own folder: whom an attack hits is for that victim alone.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from collab.attacks.leaked_pairs import Repaired
from collab.errors import EntityError
from collab.metric import MetricName
from collab.metrics.audit import LEAST_SCORES, epsilon_lower_bound
from collab.metrics.leakage import HIGHER_DISCLOSES
from collab.metrics.priors import guess_from_others
from collab.metrics.reidentification import guesses
from collab.models.freeze import freeze
from collab.participants import disclosure
from collab.participants.attacking import guess_name
from collab.participants.disclosure import by_row, compare, to_uint8
from collab.participants.guessing import (
    attribute_measures,
    distribution_measures,
    match_measures,
    membership_measures,
    nearest_measures,
    private_measures,
)
from collab.participants.inference import own_numbers_at
from collab.participants.layout import load_numbers
from collab.participants.oracle import Beside, Oracle
from collab.participants.scoring import PICTURES, likeness, means, priors, worst_and_median
from collab.results.metric import of_images
from collab.scenario.base import Dp
from collab.stages.base import Job, Playing
from collab.stages.trials import Trial
from collab.stages.work.calibrate import INVERSE
from collab.stages.work.hand_out import places_of
from collab.store.codec import store_and_read
from collab.store.judged import Judged, write_judged
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
        case "private":
            rows = oracle.published_rows(trial.victim)[: len(answer)]
            return Report(_judge_private(oracle, answer, rows))
        case "embeddings":
            rows = oracle.published_rows(trial.victim)[: len(answer)]
            return Report(_judge_neighbors(oracle, answer, rows, by_class=trial.attack.links_classes))
        case "matches":
            places = places_of(oracle, trial)
            there = np.flatnonzero(places >= 0)
            if len(there):
                ranks = guesses(answer[there], torch.from_numpy(places[there])).numpy()
                _keep(oracle, trial, there, {"rank": ranks, "candidates": np.array([answer.shape[1]])})
            matched = match_measures(answer, torch.from_numpy(places), oracle.scenario.seed)
            surest, is_gone = answer.amax(1).numpy(), places < 0
            if trial.attack.second_release is None or not len(there) or not is_gone.any():
                return Report(matched)
            told = membership_measures(-surest, is_gone, oracle.scenario.seed)  # who is in one release alone
            return Report((*matched, *told))
        case "members":
            places = places_of(oracle, trial)
            is_member, scores = np.isin(np.arange(len(answer)), places), answer.numpy()
            there = np.flatnonzero(places >= 0)
            _keep(oracle, trial, there, {"member": scores[places[there]], "other": scores[~is_member]})
            asked = _asked_privacy(playing, trial)
            found = () if asked is None else _find_epsilon(scores, is_member, asked)
            return Report((*membership_measures(scores, is_member, oracle.scenario.seed), *found))
        case "classes":
            labels = oracle.assignment.entities[trial.victim].labels
            return Report(distribution_measures(answer.numpy(), labels, oracle.heldout.classes))


def _keep(oracle: Oracle, trial: Trial, attacked: np.ndarray, scores: Mapping[str, np.ndarray]) -> None:
    """Keeps what each image got that lies behind the `attacked` rows of the shard."""
    rows, handed = oracle.published_order(trial.victim)[attacked], trial.attack.hand_out
    has_module = handed is not None and handed.module
    about = (trial.attacker, trial.attack.label, trial.victim, trial.attack.answers)
    write_judged(oracle.private, Judged(*about, needs_module=has_module, rows=rows, scores=scores))


def _asked_privacy(playing: Playing, trial: Trial) -> Dp | None:
    """What is to hold of what the attack looks at: weights of a row of `federated`, or what the victim publishes."""
    row = trial.attack.federated_row
    if row is None:
        return playing.stated(trial.victim).defenses[0].asked_privacy
    return next(each.dp for each in playing.scenario.federated if each.name == row)


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
    by_attack, beside = compare(by_row(rebuilt), by_row(images), labels, oracle.eye), (trial.victim, len(images))
    if beside not in oracle.beside:  # the same for every attack on these rows
        oracle.beside[beside] = _compare_beside(oracle, trial.victim, images, labels)
    by_open, by_guess, of_guesses = oracle.beside[beside]
    ssim_max = next(name for name in by_attack if MetricName.parse(name).quantity == "ssim_max")
    worst, _ = worst_and_median(by_attack[ssim_max].numpy())
    kept = dict[str, np.ndarray]()
    for metric, values in by_attack.items():
        name = MetricName.parse(metric).quantity
        if name in HIGHER_DISCLOSES:
            pick = max if HIGHER_DISCLOSES[name] else min
            best = pick((each[metric] for each in by_guess.values()), key=lambda each: float(each.mean()))
            parts = {"": values, "_open": by_open[metric], "_guess": best}
            kept |= {name + of: part.numpy() for of, part in parts.items()}
    _keep(oracle, trial, np.arange(len(images)), kept)
    shown = np.concatenate([worst, np.arange(min(PICTURES, len(images)))])
    pictures = np.stack([to_uint8(part[torch.from_numpy(shown)]) for part in (images, rebuilt)])
    np.save(oracle.private / judged_file(trial.attacker, trial.attack.label, trial.victim), pictures)
    measures = [
        *(score for score in likeness(rebuilt, images, seed) if score.metric not in by_attack),
        *means({name: metric(rebuilt, images) for name, metric in of_images(oracle.metrics).items()}, seed),
        *of_guesses,
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


def _judge_neighbors(oracle: Oracle, answer: Tensor, rows: np.ndarray, *, by_class: bool) -> tuple[Measure, ...]:
    """How often the nearest of `rows` is of one individual (or class); of those of one label, where rows tell it."""
    images = oracle.images_at(rows)
    if by_class:
        who = torch.from_numpy(np.array(images.classes))
    else:
        who = own_numbers_at(oracle, "identities", oracle.holding.rows, rows)
    told = torch.from_numpy(np.array(images.labels)) if oracle.task.kind == "classification" else None
    return nearest_measures(answer, who, told, oracle.scenario.seed)


def _judge_private(oracle: Oracle, answer: Tensor, rows: np.ndarray) -> tuple[Measure, ...]:
    """Of the private attributes of `rows`, beside what held-out images tell: those of the class, where rows say it."""
    truth, others = (
        own_numbers_at(oracle, "private", oracle.holding.rows, rows),
        load_numbers(oracle.layout.heldout, "private"),
    )
    if others is None:
        raise EntityError(
            "nothing is known of the private attributes of held-out images. Play their decode stage again."
        )
    heldout, images = oracle.heldout, oracle.images_at(rows)
    is_told = oracle.task.kind == "classification"
    labels, groups = (torch.from_numpy(np.array(part.classes)) * is_told for part in (images, heldout))
    return private_measures(answer, truth, torch.from_numpy(others), groups, labels, oracle.scenario.seed)


def _compare_beside(oracle: Oracle, victim: str, images: Tensor, labels: Tensor) -> Beside:
    """What plain features and guesses show of a victim's images, and the measures of the latter."""
    device = oracle.compute.device
    heldout = oracle.heldout.at(slice(MOST_OTHERS))  # images of the same classes that are nobody's
    guessed = guess_from_others(
        heldout.take(np.arange(len(heldout)), device), torch.from_numpy(heldout.classes).to(device), labels,
        oracle.stream("judge").torch(f"unrelated {victim}"),
    )  # fmt: skip
    inverse = Repaired.of_state(read_release(oracle.private, INVERSE)[0], oracle.new_reconstructor())
    freeze(oracle.compute.place(inverse))

    def opened(rows: np.ndarray) -> Tensor:
        features = store_and_read(oracle.features(images[rows]), oracle.spec.dtype)
        with torch.no_grad(), oracle.compute.autocast():
            return inverse(features.to(device).float()).float()

    by_open = compare(opened, by_row(images), labels, oracle.eye)
    by_guess = {name: compare(by_row(guess), by_row(images), labels, oracle.eye) for name, guess in guessed.items()}
    return by_open, by_guess, priors(guessed, images, oracle.scenario.seed)
