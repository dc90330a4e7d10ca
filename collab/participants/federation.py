"""Federated averaging among the entities of a run: C is refined by exchanging weights in place of features.

There is no server: in each round the first entity by name averages the weights of all that took part, for everybody.
"""

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from collab.attacks.base import Move
from collab.guarantee import Guarantee
from collab.participants.crossings import net_crossing
from collab.participants.guarantees import tell_guarantee
from collab.participants.layout import load_people
from collab.participants.participant import Participant
from collab.scenario.federated import Federation
from collab.scenario.parts import Refine
from collab.seeding import Stream
from collab.store.release import read_release, write_release
from collab.training.averaging import federated_average, with_momentum
from collab.training.loop import Recipe
from collab.training.private import Plan, count_people, plan_steps, refine_privately
from collab.training.progress import Progress
from collab.training.recipes import outputs_of, refine_decider
from collab.types import Crossing, Measure, Report


def draw_clients(federation: Federation, number: int, seed: int) -> tuple[str, ...]:
    """Whose weights arrive in round `number`, in order of names: who is drawn, less who drops out; perhaps nobody.

    All know it: it follows from the seed of the scenario.
    """
    names, draw = sorted(federation.entities), Stream(seed, "federation", "clients").numpy(f"round {number}")
    drawn = draw.permutation(len(names))[: max(1, round(federation.clients * len(names)))]
    return tuple(names[each] for each in sorted(drawn.tolist()) if draw.random() >= federation.dropout)


def train_round(entity: Participant, federation: Federation, number: int, progress: Progress) -> Report:
    """Round `number`, from 1: the average of the last round, at first the released C, trained on own features.

    Trains as `refine` says, for `local_epochs`, with an optimizer of each round's own, and publishes the weights with
    the number of own rows. In the first round it draws as plain refinement does, so that one entity's only round is
    that. Whose weights would not arrive trains nothing.
    """
    options = schedule_of(entity, federation)
    if entity.name not in draw_clients(federation, number, entity.scenario.seed):
        return Report()
    stream = entity.stream("refine" if number == 1 else f"refine round {number}")
    decider, read = average(entity, federation, number - 1)
    feed = entity.feed([entity.own_features(entity.private)], options.batch_size)
    recipe = Recipe.of(options, epochs=federation.local_epochs)
    if federation.schedule_over == "rounds":
        before, in_all = (number - 1) * federation.local_epochs, federation.rounds * federation.local_epochs
        recipe = replace(recipe, epochs_before=before, epochs_in_all=in_all)
    decider.requires_grad_(True)
    card: dict[str, Any] = {"round": number, "rows": feed.rows}
    if federation.dp is None:
        refine_decider(
            decider, feed, recipe, bn=options.bn, stream=stream, compute=entity.compute, progress=progress,
            task=entity.task, own=feed, proximal=federation.proximal,
        )  # fmt: skip
    else:
        people = load_people(entity.private) if federation.dp.unit == "identity" else None
        plan, held = plan_rounds(federation, feed.rows, options.batch_size, count_people(people))
        refine_privately(
            decider, feed, recipe, plan, people=people,
            stream=stream, compute=entity.compute, progress=progress, task=entity.task,
        )  # fmt: skip
        card |= tell_guarantee(held)[0]
    state = decider.state_dict()
    folder, name = entity.layout.weights / entity.name, file_name(federation, number)
    # Weights of a round serve this run, and later ones through the cache, which knows by their digests what a loss of
    # power tore: waiting for the disk would take longer than training on few rows.
    digest = write_release(folder, name, state, card, is_durable=False)
    sent = net_crossing("federate", entity.name, "weights", digest, folder / f"{name}.safetensors", state)
    return Report((Measure("rows", feed.rows), Measure("bytes_published", sent.bytes)), (sent, *read))


def schedule_of(entity: Participant, federation: Federation) -> Refine:
    """How its rounds are trained: as `refine` says, but for what the federation says itself."""
    own = {"batch_size": federation.batch_size, "learning_rate": federation.learning_rate}
    return entity.scenario.refine.model_copy(update={name: value for name, value in own.items() if value is not None})


def plan_rounds(
    federation: Federation, rows: int, batch_size: int, people: int | None = None
) -> tuple[Plan, Guarantee]:
    """How an entity with so many rows trains with `dp`, as if it took part in every round, and what that guarantees."""
    dp = federation.dp
    assert dp is not None
    epochs = federation.rounds * federation.local_epochs
    return plan_steps(
        dp.epsilon, dp.delta, dp.unit,
        clip=federation.clip, rows=rows, people=people, batch_size=batch_size, epochs=epochs,
    )  # fmt: skip


def score_rounds(entity: Participant, federation: Federation) -> Report:
    """Scores on held-out features: the average of the last round, and (`top1_round[k]`) those of all rounds.

    Also the entity's own weights before they were averaged (`top1_client`), and the average on its own rows
    (`top1_own`). Bytes are those of weights, and of averages, which one entity sends and all others read.
    """
    measures, crossed, sent, last = list[Measure](), 0, 0, 0
    scores: tuple[Measure, ...] = ()
    for number in range(1, federation.rounds + 1):
        decider, read = average(entity, federation, number)
        scores = entity.score_features(decider)
        measures += [replace(score, metric=f"{score.metric}_round[{number}]", answers=None) for score in scores]
        of_others = [name for name in draw_clients(federation, number, entity.scenario.seed) if name != entity.name]
        if entity.name == server_of(federation):
            crossed += sum(_size(entity, name, file_name(federation, number)) for name in of_others)
            sent += _size(entity, entity.name, file_name(federation, number, "average"))
        crossed += sum(crossing.bytes for crossing in read)
        if size := _size(entity, entity.name, file_name(federation, number)):
            sent, last = sent + size, number
    measures += [Measure("rounds", federation.rounds), Measure("bytes_sent", sent), Measure("bytes_read", crossed)]
    features, labels = entity.own_features(entity.private).load()
    outputs = outputs_of(decider, features, entity.compute)
    measures.append(entity.task.measures(outputs, labels, entity.scenario.seed, "_own")[0])
    if last:
        state, _ = read_release(entity.layout.weights / entity.name, file_name(federation, last))
        alone = entity.score_features(_load(entity, state))[0]
        measures.append(replace(alone, metric=f"{alone.metric}_client", answers=None))
    if federation.dp is not None:
        count = count_people(load_people(entity.private))
        held = plan_rounds(federation, len(labels), schedule_of(entity, federation).batch_size, count)[1]
        measures += tell_guarantee(held)[1]
    return Report((*scores, *measures), read)


def server_of(federation: Federation) -> str:
    """Who averages for all: the first by name. Any other would come to the same bits."""
    return min(federation.entities)


def aggregate_round(entity: Participant, federation: Federation, number: int) -> Report:
    """Averages the weights that arrived in round `number`, once, and publishes what all go on from.

    With momentum that is a step towards the mean, whose velocity stays with who averages. A round in which nothing
    arrived changes nothing.
    """
    before, _ = average(entity, federation, number - 1)
    state = {name: value.cpu() for name, value in before.state_dict().items()}
    velocity, read = dict[str, Tensor](), tuple[Crossing, ...]()
    if federation.momentum and number > 1:
        velocity, _ = read_release(entity.private, file_name(federation, number - 1, "velocity"))
    if present := draw_clients(federation, number, entity.scenario.seed):
        states, rows, read = _read_round(entity, federation, number, present)
        mean = federated_average(states, rows)
        if federation.momentum:
            learned = [name for name, _ in before.named_parameters()]
            mean, velocity = with_momentum(state, mean, velocity, federation.momentum, learned)
        state = mean
    if federation.momentum:
        write_release(entity.private, file_name(federation, number, "velocity"), velocity, {}, is_durable=False)
    folder, name = entity.layout.weights / entity.name, file_name(federation, number, "average")
    # The last is what a user takes away; the others can be had again, as weights of rounds can.
    digest = write_release(folder, name, state, {"round": number}, is_durable=number == federation.rounds)
    sent = net_crossing("aggregate", entity.name, "weights", digest, folder / f"{name}.safetensors", state)
    return Report((Measure("bytes_published", sent.bytes),), (*read, sent))


def average(entity: Participant, federation: Federation, number: int) -> tuple[nn.Module, tuple[Crossing, ...]]:
    """C after round `number`, as it was averaged for all, and what `entity` read for it; as released after round 0."""
    if not number:
        return copy.deepcopy(entity.released.decider), ()
    server = server_of(federation)
    path = entity.layout.weights / server / f"{file_name(federation, number, 'average')}.safetensors"
    state, card = read_release(path.parent, path.stem)
    crossing = net_crossing("aggregate", server, "weights", card["sha256"], path, state)
    return _load(entity, state), () if entity.name == server else (replace(crossing, receiver=entity.name),)


def moves_of_weights(
    entity: Participant, federation: Federation, victim: str
) -> tuple[tuple[Move, ...], tuple[Crossing, ...]]:
    """What a victim began each round with that it took part in, and its weights after it; and what `entity` read."""
    moves, read = list[Move](), list[Crossing]()
    for number in range(1, federation.rounds + 1):
        if victim in draw_clients(federation, number, entity.scenario.seed):
            before, crossings = average(entity, federation, number - 1)
            path = entity.layout.weights / victim / f"{file_name(federation, number)}.safetensors"
            state, card = read_release(path.parent, path.stem)
            crossing = net_crossing("attack", victim, "weights", card["sha256"], path, state)
            moves.append((before, _load(entity, state)))
            read += [*crossings, replace(crossing, receiver=entity.name)]
    return tuple(moves), tuple(read)


def _read_round(
    entity: Participant, federation: Federation, number: int, present: Sequence[str]
) -> tuple[list[dict[str, Tensor]], list[int], tuple[Crossing, ...]]:
    """The weights that arrived in a round, of how many rows each, and what of them `entity` reads of others."""
    states, rows, read = [], [], []
    for name in present:
        path = entity.layout.weights / name / f"{file_name(federation, number)}.safetensors"
        state, card = read_release(path.parent, path.stem)
        states.append(state)
        rows.append(int(card["rows"]))
        if name != entity.name:
            crossing = net_crossing("federate", name, "weights", card["sha256"], path, state)
            read.append(replace(crossing, receiver=entity.name))
    return states, rows, tuple(read)


def _load(entity: Participant, state: Mapping[str, Tensor]) -> nn.Module:
    decider = copy.deepcopy(entity.released.decider)
    decider.load_state_dict(state)
    return decider


def _size(entity: Participant, name: str, file: str) -> int:
    """Bytes of what `name` published under that name; 0 where it did not."""
    path = entity.layout.weights / name / f"{file}.safetensors"
    return path.stat().st_size if path.exists() else 0


def file_name(federation: Federation, number: int, what: str = "round") -> str:
    """What weights of a round are called, and `what` is made of them: alike for federations that are alike so far."""
    about: list[Any] = [sorted(federation.entities), federation.local_epochs]
    about += [federation.extras] if federation.extras else []
    return f"{what}{number}_{hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]}"
