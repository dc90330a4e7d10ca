"""The federated part of a scenario here and on Flower, in turn: seconds of a round and of the whole command.

    python -m venv FLOWER && FLOWER/bin/pip install -r benchmarks/flower_requirements.txt
    python benchmarks/flower.py --flower FLOWER/bin/python [--rounds 20] [--turns 5] [--set path=value ...]

Both begin with features and the released C: here they come from the cache, for `flower_port.py` from a folder that this
writes. Both train on the same batches in the same order, so that only rounding tells their weights apart.
Both score each round's average on the held-out images once all rounds are over, here everybody does.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from measuring import Timed, describe_machine, time_command

from collab.participants.participant import Participant
from collab.results.table import read_results
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from collab.store.release import read_release
from collab.training.precision import resolve_compute

TOLERANCE = 0.01
"""How far the shares of right answers may lie apart after a round: rounding changes the answer to few images."""

ROW = "federated"


@dataclass(frozen=True)
class Turn:
    """One command: when each round ended, in seconds since 1970, and the share of right answers after it."""

    timed: Timed
    ends: list[float]
    top1: list[float]

    @property
    def round(self) -> float:
        """Seconds of a round, from the end of the first, which also loads what all need."""
        return (self.ends[-1] - self.ends[0]) / (len(self.ends) - 1)


def main() -> None:
    """Reads the command line, plays the turns and prints the table."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--flower", required=True, help="python of the environment that Flower is installed in")
    arguments.add_argument("--scenario", type=Path, default=Path("scenarios/sharing_versus_federated.yaml"))
    arguments.add_argument("--rounds", type=int, default=20)
    arguments.add_argument("--turns", type=int, default=5)
    arguments.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="as of `collab run`")
    given = arguments.parse_args()
    names = [entity.name for entity in read_scenario(given.scenario, given.set).scenario.entities]
    only = [
        "entities.*.defense={kind: none}",
        "refinements=[]",
        "expect=null",
        "controls=false",
        "precision=fp32",
        "refine.bn=update",
    ]
    rounds = f"federated=[{{row: {ROW}, entities: [{', '.join(names)}], rounds: {given.rounds}}}]"
    overrides = [*only, *given.set]
    print(describe_machine(), "fp32", sep="; ", flush=True)
    with tempfile.TemporaryDirectory(prefix="collab-bench-") as folder:
        out, port = Path(folder) / "out", Path(folder) / "port"
        prepared = play_here(given.scenario, [*overrides, "federated=[]"], out)
        scenario = read_scenario(given.scenario, [*overrides, rounds]).scenario
        write_folder(scenario, Path(prepared.answer["run"]), port)
        ours, theirs = list[Turn](), list[Turn]()
        for turn in range(given.turns):
            plays = [
                lambda: ours.append(take_turn_here(given.scenario, [*overrides, rounds], scenario, out)),
                lambda: theirs.append(take_turn_on_flower(given.flower, port)),
            ]
            for play in plays if turn % 2 else reversed(plays):
                play()
            print(f"turn {turn + 1}: here {ours[-1].round:.3f} s a round, {ours[-1].timed.wall:.1f} s in all; "
                  f"Flower {theirs[-1].round:.3f}, {theirs[-1].timed.wall:.1f}", flush=True)  # fmt: skip
    print(
        "Flower's side:", ", ".join(f"{name} {version}" for name, version in theirs[0].timed.answer["versions"].items())
    )
    report(ours, theirs)


def play_here(scenario: Path, overrides: list[str], out: Path) -> Timed:
    """`collab run` with what `out` has in its cache."""
    sets = [word for override in overrides for word in ("--set", override)]
    return time_command([sys.executable, "-m", "collab", "run", str(scenario), "--json", "--out", str(out), *sets])


def take_turn_here(path: Path, overrides: list[str], scenario: Scenario, out: Path) -> Turn:
    """Plays the rounds, and whatever a run does besides, and leaves the cache as it was."""
    with tempfile.TemporaryDirectory(prefix="collab-bench-") as folder:
        copy = Path(folder) / "out"
        shutil.copytree(out / "cache", copy / "cache")
        timed = play_here(path, overrides, copy)
        run = Path(timed.answer["run"])
        rounds = range(1, scenario.federated[0].rounds + 1)
        ends = [max(file.stat().st_mtime for file in run.glob(f"weights/*/round{n}_*.safetensors")) for n in rounds]
        name = scenario.entities[0].name
        measured = {each.metric: each.value for each in read_results(run / "results.parquet") if each.entity == name}
        return Turn(timed, ends, [measured[f"top1_round[{number}]"] for number in rounds])


def take_turn_on_flower(python: str, folder: Path) -> Turn:
    """Plays the port."""
    even = {"RAY_worker_niceness": "0", "OMP_NUM_THREADS": "1"}  # as `collab` sets them for itself
    timed = time_command([python, str(Path(__file__).with_name("flower_port.py")), str(folder)], **even)
    return Turn(timed, timed.answer["ends"], timed.answer["top1"])


def write_folder(scenario: Scenario, run: Path, folder: Path) -> None:
    """What the port begins with: features of everybody and in which order each round takes them, C, the recipe."""
    federation, options = scenario.federated[0], scenario.refine
    if (options.optimizer, options.schedule, options.bn) != ("sgd", "cosine", "update"):
        sys.exit("flower_port.py trains with sgd, cosine and BatchNorm that learns. Take another scenario, or `--set`.")
    folder.mkdir()
    state, _ = read_release(run / "release", "decider")
    np.savez(folder / "decider.npz", **{name: value.numpy() for name, value in state.items()})
    compute = resolve_compute(scenario.precision, "cpu")
    for name in federation.entities:
        entity = Participant(name, scenario, run, classes=len(state["head.2.bias"]), compute=compute)
        x, y = entity.own_features(entity.private).load()
        stages = ["refine", *(f"refine round {number}" for number in range(2, federation.rounds + 1))]
        epochs = [f"epoch {epoch}" for epoch in range(federation.local_epochs)]
        orders = [
            torch.stack([torch.randperm(len(y), generator=entity.stream(stage).torch(epoch)) for epoch in epochs])
            for stage in stages
        ]
        np.savez(folder / f"{name}.npz", x=x.numpy(), y=y.numpy(), orders=torch.stack(orders).numpy())
    x, y = entity.heldout_features
    np.savez(folder / "heldout.npz", x=x.numpy(), y=y.numpy())
    recipe = {
        "clients": federation.entities, "rounds": federation.rounds, "local_epochs": federation.local_epochs,
        "channels": x.shape[1], "classes": len(state["head.2.bias"]), "batch_size": options.batch_size,
        "learning_rate": options.learning_rate, "weight_decay": options.weight_decay,
        "label_smoothing": options.label_smoothing,
    }  # fmt: skip
    (folder / "recipe.json").write_text(json.dumps(recipe))


def report(ours: list[Turn], theirs: list[Turn]) -> None:
    """Prints medians and their ratios, and ends with 1 where the two did not learn the same."""
    print("| | here | Flower | Flower / here |\n|---|---|---|---|")
    lines = {
        "s a round": lambda turn: turn.round,
        "s of the whole command": lambda turn: turn.timed.wall,
        "CPU s of the whole command": lambda turn: turn.timed.cpu,
    }
    for line, figure in lines.items():
        here, there = (statistics.median(map(figure, turns)) for turns in (ours, theirs))
        print(f"| {line} | {here:.3g} | {there:.3g} | {there / here:.2f} |")
    print("right after each round, %, here:", *(f"{100 * value:.1f}" for value in ours[0].top1))
    print("right after each round, %, Flower:", *(f"{100 * value:.1f}" for value in theirs[0].top1))
    apart = max(abs(a - b) for mine in ours for yours in theirs for a, b in zip(mine.top1, yours.top1, strict=True))
    print(f"at most {100 * apart:.2f} points apart in any round of any turn; {100 * TOLERANCE:.0f} are allowed")
    sys.exit(apart > TOLERANCE)


if __name__ == "__main__":
    main()
