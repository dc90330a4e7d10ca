"""What classifiers read from what an entity published that nobody meant to tell."""

import math
from dataclasses import replace

import numpy as np
import torch

from collab.models.freeze import freeze
from collab.participants.inference import (
    IDENTIFIER,
    ask_attributes,
    ask_identity,
    load_own_numbers,
    measure_readers,
    train_identifier,
    train_reader,
)
from collab.participants.oracle import Oracle
from collab.seeding import Stream
from collab.stages.base import Job, Playing
from collab.store.private import private_folder
from collab.store.release import read_release
from collab.training.progress import Progress
from collab.types import Measure, Report


def play(oracle: Oracle, job: Job, playing: Playing, progress: Progress, /) -> Report:
    """What classifiers read from what `victim` published: its private attributes, or whom its images show.

    Rows are those of the victim, in its order; who was trained on plain features saw the same ones.
    """
    victim = str(job.victim)
    options, private = oracle.scenario.inference, private_folder(oracle.layout.run, victim)
    assert options is not None  # else this stage is not played
    order = torch.from_numpy(np.load(private / "published.npy", allow_pickle=False))
    rows = torch.cat([shard.load()[0] for shard in oracle.shards_of(victim)])
    published = torch.empty_like(rows)
    published[order] = rows
    plain, measures = oracle.features_of_entity(victim).load()[0], list[Measure]()
    at = np.searchsorted(oracle.holding.rows, oracle.assignment.entities[victim].rows)
    identities, stream = load_own_numbers(oracle, "identities")[at], Stream(oracle.scenario.seed, victim, "infer")
    if "attributes" in options.of:
        names, attributes = oracle.assignment.asked.private, load_own_numbers(oracle, "private")[at]
        question = ask_attributes(attributes, names, identities, stream)
        fixed = train_reader(oracle, plain, question, stream, progress)
        fresh = train_reader(oracle, published, question, stream, progress)
        measures += measure_readers(oracle, plain, published, question, fixed, fresh, "privacy")
        measures += [
            replace(score, metric=f"privacy_{score.metric}")
            for score in question.task.chance(question.targets[question.tried])
            if math.isfinite(score.value)  # of few images none may have an attribute
        ]
    if "identities" in options.of:
        if (private / f"{IDENTIFIER}.safetensors").exists():
            question = ask_identity(identities, Stream(oracle.scenario.seed, victim, "identify"))
            fixed = oracle.new_split(question.task.outputs).decider
            fixed.load_state_dict(read_release(private, IDENTIFIER)[0])
        else:
            fixed, question = train_identifier(oracle, victim, plain, identities, progress)
        fresh = train_reader(oracle, published, question, stream, progress)
        measures += measure_readers(oracle, plain, published, question, freeze(fixed), fresh, "identity")
        measures.append(Measure("identity_top1_chance", 1 / question.task.outputs))
    return Report(tuple(measures))
