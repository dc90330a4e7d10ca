"""The federated part of a scenario on Flower: the same clients, features, batches, decider, optimizer and rounds.

    python benchmarks/flower_port.py FOLDER

The contender of `benchmarks/flower.py`, which writes FOLDER and calls this in an environment of its own
(`benchmarks/flower_requirements.txt`); nothing of the package is imported. Clients keep their features from round to
round, two play at a time, and the server scores the average itself, so that nobody is asked twice in a round.
"""

import json
import math
import os
import sys
import time
from collections import OrderedDict
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


def main() -> None:
    """Plays all rounds and prints a line of JSON: when each ended, and the share of right answers after it."""
    os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
    from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
    from flwr.clientapp import ClientApp
    from flwr.serverapp import Grid, ServerApp
    from flwr.serverapp.strategy import FedAvg
    from flwr.simulation import run_simulation

    folder, ends, top1 = Path(sys.argv[1]).resolve(), list[float](), list[float]()
    client, server, recipe = ClientApp(), ServerApp(), read_recipe(folder)

    @client.train()
    def train(message: Message, context: Context) -> Message:
        name = recipe["clients"][int(context.node_config["partition-id"])]
        net = new_decider(recipe)
        net.load_state_dict(message.content["arrays"].to_torch_state_dict())
        rows = train_round(net, folder, name, int(message.content["config"]["server-round"]), recipe)
        reply = {"arrays": ArrayRecord(net.state_dict()), "metrics": MetricRecord({"num-examples": rows})}
        return Message(RecordDict(reply), reply_to=message)

    @server.main()
    def serve(grid: Grid, context: Context) -> None:
        averages = list[ArrayRecord]()

        def keep(number: int, arrays: ArrayRecord) -> None:
            if number:
                ends.append(time.time())
                averages.append(arrays)

        strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=len(recipe["clients"]))
        strategy.start(grid, ArrayRecord(read_state(folder)), num_rounds=recipe["rounds"], evaluate_fn=keep)
        for arrays in averages:
            net = new_decider(recipe)
            net.load_state_dict(arrays.to_torch_state_dict())
            top1.append(share_right(net, folder))

    resources = {"client_resources": {"num_cpus": 1, "num_gpus": 0.0}}
    run_simulation(server, client, num_supernodes=len(recipe["clients"]), backend_config=resources)
    versions = {name: version(name) for name in ("flwr", "ray", "torch", "numpy")}
    print(json.dumps({"ends": ends, "top1": top1, "versions": versions}))


@cache
def read(folder: Path, name: str) -> dict[str, np.ndarray]:
    """The arrays of a file, read once in each process."""
    with np.load(folder / f"{name}.npz") as file:
        return dict(file)


def read_recipe(folder: Path) -> dict:
    """Names of clients, rounds, and how is trained."""
    torch.set_num_threads(1)
    return json.loads((folder / "recipe.json").read_text())


def read_state(folder: Path) -> dict[str, Tensor]:
    """The released decider."""
    return {name: torch.from_numpy(value) for name, value in read(folder, "decider").items()}


def train_round(net: nn.Module, folder: Path, name: str, number: int, recipe: dict) -> int:
    """Trains `net` on the features of `name` for round `number`, from 1; returns how many rows there are."""
    torch.set_num_threads(1)
    own = read(folder, name)
    x, y, orders = (torch.from_numpy(own[part]) for part in ("x", "y", "orders"))
    steps = math.ceil(len(y) / recipe["batch_size"])
    optimizer = torch.optim.SGD(
        net.parameters(), recipe["learning_rate"], momentum=0.9, nesterov=True,
        weight_decay=recipe["weight_decay"], fused=True,
    )  # fmt: skip
    pace = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps * recipe["local_epochs"])
    net.train()
    for order in orders[number - 1]:
        for rows in torch.tensor_split(order, steps):
            optimizer.zero_grad()
            answer = net(x[rows].float().contiguous(memory_format=torch.channels_last))
            functional.cross_entropy(answer, y[rows], label_smoothing=recipe["label_smoothing"]).backward()
            optimizer.step()
            pace.step()
    return len(y)


@torch.no_grad()
def share_right(net: nn.Module, folder: Path) -> float:
    """The share of held-out features whose class `net` tells."""
    held_out = read(folder, "heldout")
    answers = [net.eval()(part.float()).argmax(1) for part in torch.from_numpy(held_out["x"]).split(256)]
    return float((torch.cat(answers) == torch.from_numpy(held_out["y"])).float().mean())


class Block(nn.Module):
    """A basic block of He et al. that halves the side and doubles the channels."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        outputs = 2 * inputs
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs),
        )  # fmt: skip
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=2, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """[batch, inputs, side, side] as [batch, 2 inputs, side / 2, side / 2]."""
        return functional.relu(self.body(x) + self.shortcut(x))


def new_decider(recipe: dict) -> nn.Module:
    """What follows conv3_1 of a resnet8: a block, the mean over all positions, a linear layer."""
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * recipe["channels"], recipe["classes"]))
    net = nn.Sequential(OrderedDict(conv4_1=Block(recipe["channels"]), head=head))
    return net.to(memory_format=torch.channels_last)


if __name__ == "__main__":
    import flower_port  # under its own name, by which clients in other processes find what it defines

    flower_port.main()
