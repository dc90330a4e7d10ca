"""What the oracle gives an adversary, and which rows that is of."""

import numpy as np
import torch
from torch import Tensor

from collab.participants.attacking import ALLIES, STOLEN, divide_rows, guess_name
from collab.participants.inference import own_numbers_at
from collab.participants.oracle import Oracle
from collab.stages.base import Job, Playing
from collab.stages.trials import Trial
from collab.store.private import private_folder
from collab.store.release import read_release, write_release
from collab.training.progress import Progress
from collab.types import Crossing, Report


def play(oracle: Oracle, job: Job, playing: Playing, progress: Progress, /) -> Report:
    """Writes what it gives into the adversary's own folder; every part is a line of the ledger."""
    trial: Trial = job.order
    options = trial.attack.hand_out
    assert options is not None  # else this stage is not played
    truth, sent = dict[str, Tensor](), list[Crossing]()
    if options.pairs:
        rows = oracle.published_rows(trial.victim)
        _, pairs = divide_rows(len(rows), trial.attack)
        truth["planted" if options.is_planted else "pairs"] = torch.from_numpy(
            oracle.images_at(rows[len(rows) - pairs :]).images
        )
        if options.attributes:  # whoever has an image sees what it has
            truth["pair_attributes"] = own_numbers_at(oracle, "private", oracle.holding.rows, rows[len(rows) - pairs :])
    if options.candidates:
        candidates = oracle.images_at(candidates_of(oracle, trial)[0])
        truth["candidates"] = torch.from_numpy(candidates.images)
        truth["candidate_labels"] = torch.from_numpy(np.array(candidates.labels))  # whoever has an image sees its class
    if options.module:
        state, _ = read_release(private_folder(oracle.layout.run, trial.victim), "defense")
        truth |= {f"{STOLEN}{name}": value for name, value in state.items()}
    for ally in options.allies:
        given, _ = read_release(private_folder(oracle.layout.run, ally), "defense")
        held = oracle.images_at(oracle.assignment.entities[ally].rows)
        whole = {**given, "images": torch.from_numpy(held.images), "labels": torch.from_numpy(np.array(held.labels))}
        truth |= {f"{ALLIES}{ally}.{name}": value for name, value in whole.items()}
    digest = write_release(
        oracle.layout.handed(trial.attacker), guess_name(trial.attack.label, trial.victim), truth, {}
    )
    for kind in dict.fromkeys(map(_kind_of, truth)):
        parts = [value for name, value in truth.items() if _kind_of(name) == kind]
        shape = tuple(parts[0].shape) if len(parts) == 1 else (len(parts),)
        size, dtype = sum(part.nbytes for part in parts), str(parts[0].dtype).removeprefix("torch.")
        sender = kind.removeprefix(ALLIES) if kind.startswith(ALLIES) else trial.victim
        sent.append(Crossing("hand_out", sender, trial.attacker, kind.partition(".")[0], digest, size, dtype, shape))
    return Report((), tuple(sent))


def _kind_of(name: str) -> str:
    """What a tensor is part of: `module`, `pairs`, `allies.a2`."""
    return ".".join(name.split(".")[: 2 if name.startswith(ALLIES) else 1])


def places_of(oracle: Oracle, trial: Trial) -> np.ndarray:
    """Where what is asked for stands, for each attacked row: among candidates, or among rows of another release."""
    second = trial.attack.second_release
    if second is None:
        return candidates_of(oracle, trial)[1]
    published, others = oracle.published_rows(trial.victim), oracle.published_rows(second[0])[: second[1]]
    attacked, order = published[: divide_rows(len(published), trial.attack)[0]], np.argsort(others)
    at = np.minimum(np.searchsorted(others[order], attacked), len(others) - 1)
    return np.where(others[order][at] == attacked, order[at], -1)


def candidates_of(oracle: Oracle, trial: Trial) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the source that an adversary's candidates are, and where those of attacked rows are; -1: nowhere."""
    options = trial.attack.hand_out
    assert options is not None
    published = oracle.published_rows(trial.victim)
    rows, _ = divide_rows(len(published), trial.attack)
    draw = oracle.stream("hand_out").numpy(f"{trial.attacker} {trial.attack.label} {trial.victim}")
    there = draw.permutation(rows)[: min(round(options.present * rows), options.candidates)]
    others = np.setdiff1d(oracle.holding.rows, oracle.assignment.entities[trial.victim].rows)
    if trial.attack.of_answers or trial.attack.of_release:
        # C knows the leader's by heart and teachers of the adversary know its own: neither loss is that of a stranger.
        familiar = {oracle.scenario.model.pretrain.leader, trial.attacker} - {trial.victim}
        left = np.setdiff1d(
            others, np.concatenate([oracle.assignment.entities[name].rows for name in sorted(familiar)])
        )
        others = left if len(left) else others
    others = draw.permutation(others)[: options.candidates - len(there)]
    order = draw.permutation(len(there) + len(others))
    places = np.full(rows, -1)
    places[there] = np.argsort(order)[: len(there)]
    return np.concatenate([published[there], others])[order], places
