"""Federated averaging among the entities of a run: C is refined by exchanging weights in place of features.

There is no server: in each round everybody reads the weights of all and averages them alike, through files.
"""

import copy
import hashlib
import json
from dataclasses import replace

from torch import nn

from collab.participants.crossings import net_crossing
from collab.participants.participant import Participant
from collab.scenario.parts import Federation
from collab.store.release import read_release, write_release
from collab.training.averaging import federated_average
from collab.training.loop import Recipe
from collab.training.progress import Progress
from collab.training.recipes import refine_decider
from collab.types import Crossing, Measure, Report


def train_round(entity: Participant, federation: Federation, number: int, progress: Progress) -> Report:
    """Round `number`, from 1: the average of the last round, at first the released C, trained on own features.

    Trains as `refine` says, for `local_epochs`, with a schedule and an optimizer of each round's own, and publishes the
    weights with the number of own rows. In the first round it draws as plain refinement does, so that one entity's only
    round is that.
    """
    options = entity.scenario.refine
    stream = entity.stream("refine" if number == 1 else f"refine round {number}")
    decider, read = average(entity, federation, number - 1)
    feed = entity.feed([entity.own_features(entity.private)], options.batch_size)
    recipe = Recipe.of(options, epochs=federation.local_epochs)
    decider.requires_grad_(True)
    refine_decider(
        decider, feed, recipe, bn=options.bn,
        stream=stream, compute=entity.compute, progress=progress, task=entity.task, own=feed,
    )  # fmt: skip
    state = decider.state_dict()
    card = {"round": number, "rows": feed.rows}
    folder, name = entity.layout.weights / entity.name, file_name(federation, number)
    # Weights of a round serve this run, and later ones through the cache, which knows by their digests what a loss of
    # power tore: waiting for the disk would take longer than training on few rows.
    digest = write_release(folder, name, state, card, is_durable=False)
    sent = net_crossing("federate", entity.name, "weights", digest, folder / f"{name}.safetensors", state)
    return Report((Measure("rows", feed.rows), Measure("bytes_published", sent.bytes)), (sent, *read))


def score_rounds(entity: Participant, federation: Federation) -> Report:
    """Scores on held-out features: the average of the last round, and (`top1_round[k]`) those of all rounds."""
    measures, crossed, sent = list[Measure](), 0, 0
    for number in range(1, federation.rounds + 1):
        decider, read = average(entity, federation, number)
        scores = entity.score_features(decider)
        measures += [replace(score, metric=f"{score.metric}_round[{number}]", answers=None) for score in scores]
        crossed += sum(crossing.bytes for crossing in read)
        own = entity.layout.weights / entity.name / f"{file_name(federation, number)}.safetensors"
        sent += own.stat().st_size
    measures += [Measure("rounds", federation.rounds), Measure("bytes_sent", sent), Measure("bytes_read", crossed)]
    return Report((*scores, *measures), read)


def average(entity: Participant, federation: Federation, number: int) -> tuple[nn.Module, tuple[Crossing, ...]]:
    """C with the mean weights of all after round `number`, and what `entity` read for it; as released after round 0."""
    decider = copy.deepcopy(entity.released.decider)
    if not number:
        return decider, ()
    states, rows, read = [], [], []
    for name in sorted(federation.entities):
        path = entity.layout.weights / name / f"{file_name(federation, number)}.safetensors"
        state, card = read_release(path.parent, path.stem)
        states.append(state)
        rows.append(int(card["rows"]))
        if name != entity.name:
            crossing = net_crossing("federate", name, "weights", card["sha256"], path, state)
            read.append(replace(crossing, receiver=entity.name))
    decider.load_state_dict(federated_average(states, rows))
    return decider, tuple(read)


def file_name(federation: Federation, number: int) -> str:
    """What weights of a round are called: alike for federations that are alike so far."""
    about = json.dumps([sorted(federation.entities), federation.local_epochs])
    return f"round{number}_{hashlib.sha256(about.encode()).hexdigest()[:16]}"
