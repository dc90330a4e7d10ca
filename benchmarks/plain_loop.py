"""The work of a scenario as one hand-written PyTorch script: no Ray, no Arrow, no store, no entities.

    python benchmarks/plain_loop.py scenarios/four_entities.yaml [--set path=value ...]

The contender of `benchmarks/overhead.py`: one process that plays one stage after the other, with all the threads that
torch is given (`OMP_NUM_THREADS`). It takes sizes from the scenario; images, networks and scores from the package;
loops, batches, optimizers and features in memory are written out here, in what torch and pytorch-msssim have. Its
random draws are its own, so its figures agree with a run's only within their noise. It plays what the scenarios of this
repository ask for and refuses the rest.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from pytorch_msssim import ssim
from torch import nn
from torch.nn import functional

from collab.data.source import open_source
from collab.defenses.dpm_network import build_dpm
from collab.models.backbones import build_split
from collab.models.freeze import fold
from collab.models.reconstructors import build_reconstructor
from collab.participants.scoring import distances, guesses, means, priors
from collab.scenario.reader import read_scenario
from collab.training.precision import resolve_compute
from collab.training.statistics import settle_statistics
from collab.training.tasks import CLASSES

EVAL = 256
COMPUTE = resolve_compute("auto", "auto")
DEVICE = COMPUTE.device


def main() -> None:
    """Plays the scenario and prints the top-1 of every row."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("scenario", type=Path)
    arguments.add_argument("--set", action="append", default=[])
    given = arguments.parse_args()
    start = time.perf_counter()
    rows = play(read_scenario(given.scenario, given.set).scenario)
    how = {"threads": torch.get_num_threads(), "compute": str(COMPUTE)}
    print(json.dumps({"seconds": time.perf_counter() - start, "rows": rows, **how}))


def play(scenario):
    """Pre-train, split, invert, poison, refine, in the order of the paper; returns top-1 by row."""
    global COMPUTE
    refuse_what_is_not_here(scenario)
    COMPUTE, device = resolve_compute(scenario.precision, "auto"), DEVICE
    torch.manual_seed(scenario.seed)
    rng = np.random.default_rng(scenario.seed)
    data, side = scenario.data, scenario.data.image_size
    source = open_source(data.opened_by, image_size=side, seed=scenario.seed, **data.source_options())
    private = choose_classes(source.classes, data.private_classes, rng)
    public = np.setdiff1d(np.arange(len(source.classes)), private)
    everything = rows_of(source.labels("train"), private)
    images_q = load(source, "train", capped(rows_of(source.labels("train"), public), data.public_images, rng))
    x_test, y_test = labeled(
        source, "test", capped(rows_of(source.labels("test"), private), data.test_images, rng), private
    )
    x_all, y_all = labeled(source, "train", everything, private)
    held = subsets(y_all, {entity.name: entity.share for entity in scenario.entities}, rng)
    top1 = {}

    def score(net, inputs):
        return CLASSES.measures(logits(net, inputs), y_test, scenario.seed)[0].value

    def network():
        split = build_split(
            scenario.model.backbone, scenario.model.hook, classes=len(private), width=scenario.model.width
        )
        return nn.Sequential(split.featurizer, split.decider).to(device).to(memory_format=torch.channels_last)

    def from_scratch(at, epochs=None):
        net, recipe = network(), scenario.scratch or scenario.model.pretrain
        train(net, net.parameters(), x_all[at], y_all[at], recipe, epochs, augment=recipe.augment)
        return net

    leader = scenario.model.pretrain.by
    f, c = from_scratch(held[leader])
    freeze(f), freeze(c)
    decider = fold(c)
    shown = pixels(x_test, slice(2000))
    priors(guesses(shown, y_test[:2000].to(device), torch.Generator()), shown, scenario.seed)
    features = {name: featurize(f, x_all[at]) for name, at in held.items()}
    f_test, f_q = featurize(f, x_test), featurize(f, images_q)
    top1["c_public"] = score(c, f_test)

    wanted, shape = scenario.reconstructor, f_test.shape[1:]
    r = build_reconstructor(wanted.kind, tuple(shape), side, tail_blocks=wanted.tail_blocks, upscale=wanted.upscale)
    r = r.to(device).to(memory_format=torch.channels_last)
    target = images_q.to(device)
    fit(r.parameters(), len(f_q), wanted, None, lambda at: (r(batch(f_q, at)) - pixels(target, at)).abs().mean())
    rebuild = fold(freeze(r))

    poisoned = {}
    for entity in scenario.entities:
        own, pictures, y = features[entity.name], x_all[held[entity.name]], y_all[held[entity.name]].to(device)
        if entity.defense.kind == "none":
            poisoned[entity.name] = own
            continue
        p = build_dpm(shape[0], blocks=entity.defense.blocks, width=entity.defense.width, norm=entity.defense.norm)
        p = p.to(device).to(memory_format=torch.channels_last)

        def loss(at, p=p, own=own, pictures=pictures, y=y, options=entity.defense):
            before = batch(own, at)
            after = p(before)
            if options.equivalence == "labels":
                equivalence = functional.cross_entropy(decider(after), y[at])
            else:
                with torch.no_grad():
                    wished = decider(before).log_softmax(1)
                equivalence = functional.kl_div(
                    decider(after).log_softmax(1), wished, reduction="batchmean", log_target=True
                )
            return equivalence + options.ssim_weight * likeness(rebuild(after), pixels(pictures, at)).abs().mean()

        fit(p.parameters(), len(own), entity.defense, None, loss)
        freeze(p)
        poisoned[entity.name] = through(p, own)
        hidden = through(p, f_test)
        plain_answers, answers = logits(c, f_test), logits(c, hidden)
        CLASSES.measures(answers, y_test, scenario.seed), CLASSES.fidelity(answers, plain_answers, scenario.seed)
        true = lambda start, stop: pixels(x_test, torch.arange(start, stop))  # noqa: E731
        means(distances(r, f_test, hidden, true, compute=COMPUTE), scenario.seed)

    def refine(parts, epochs=None):
        x = torch.cat([part for part, _ in parts])
        y = torch.cat([y_all[held[name]] for _, name in parts]).to(device)
        net = network()[1]
        net.load_state_dict(c.state_dict())
        net.train()
        smooth = scenario.refine.label_smoothing
        fit(net.parameters(), len(x), scenario.refine, epochs,
            lambda at: functional.cross_entropy(net(batch(x, at)), y[at], label_smoothing=smooth))  # fmt: skip
        if scenario.refine.bn == "own":
            own = features[parts[0][1]]
            settle_statistics(net, lambda: (batch(own, at) for at in torch.arange(len(own)).split(EVAL)), COMPUTE)
        return score(net, f_test)

    plain_done = {}

    def plain(entity, others, epochs):
        key = (entity, tuple(sorted(others)), epochs)
        if key not in plain_done:
            plain_done[key] = refine([(features[name], name) for name in (entity, *others)], epochs)
        return plain_done[key]

    for row in scenario.refinements:
        name = str(row.name)
        if row.own == "images" and row.entity == leader and row.epochs is None and scenario.scratch is None:
            top1[name] = score(nn.Sequential(f, c), x_test)
        elif row.own == "images":
            at = held[row.entity] if row.entity else subsets(y_all, {"all": row.share}, rng)["all"]
            top1[name] = score(from_scratch(at, row.epochs), x_test)
        elif row.unpoisoned:
            top1[name] = plain(row.entity, row.unpoisoned, row.epochs)
        else:
            own = (poisoned if row.own == "poisoned" else features)[row.entity]
            top1[name] = refine([(own, row.entity), *((poisoned[other], other) for other in row.pool)], row.epochs)
        if scenario.controls and row.own == "features":
            if f"c_own_{row.entity}" not in top1:
                top1[f"c_own_{row.entity}"] = plain(row.entity, (), None)
            if row.pool and scenario.controls is True:
                top1[f"c_unpoisoned_{name}"] = plain(row.entity, row.pool, row.epochs)
                mixed = [(poisoned[other], other) for other in (row.entity, *row.pool)]
                top1[f"c_all_poisoned_{name}"] = refine(mixed, row.epochs)
    return top1


def train(net, parameters, images, labels, recipe, epochs, *, augment):
    """A classifier on images, shifted and mirrored."""
    net.train()
    reach = images.shape[-1] // 8

    def loss(at):
        x = pixels(images, at)
        if augment:
            padded = functional.pad(x, [reach] * 4)
            moves = torch.randint(0, 2 * reach + 1, (len(at), 2)).tolist()
            side = x.shape[-1]
            x = torch.stack([image[:, i : i + side, j : j + side] for image, (i, j) in zip(padded, moves, strict=True)])
            x = torch.where(torch.rand(len(at), 1, 1, 1, device=x.device) < 0.5, x.flip(3), x)
            x = x.contiguous(memory_format=torch.channels_last)
        return functional.cross_entropy(net(x), labels[at].to(x.device), label_smoothing=recipe.label_smoothing)

    fit(parameters, len(images), recipe, epochs, loss)
    net.eval()


def fit(parameters, rows, recipe, epochs, loss):
    """The loop."""
    epochs = epochs or recipe.epochs
    steps = -(-rows // recipe.batch_size)
    optimizers = optimizers_for(recipe, list(parameters))
    paces = [pace_of(optimizer, recipe.schedule, epochs * steps) for optimizer in optimizers]
    for _ in range(epochs):
        for at in torch.tensor_split(torch.randperm(rows), steps):
            for optimizer in optimizers:
                optimizer.zero_grad(set_to_none=True)
            with COMPUTE.autocast():
                value = loss(at)
            value.backward()
            for step in (*optimizers, *paces):
                step.step()


def optimizers_for(recipe, parameters):
    """Those of torch; with Muon its own for matrices, `FilterMuon` for filters and AdamW for all else."""
    rate, decay = recipe.learning_rate, {"weight_decay": recipe.weight_decay}
    match recipe.optimizer:
        case "sgd":
            return [torch.optim.SGD(parameters, rate, momentum=0.9, nesterov=True, fused=True, **decay)]
        case "adam":
            return [torch.optim.Adam(parameters, rate, fused=True, **decay)]
        case "adamw":
            return [torch.optim.AdamW(parameters, rate, fused=True, **decay)]
    sorts = {sides: [weight for weight in parameters if weight.ndim == sides] for sides in (4, 2, 1)}
    makers = {
        4: lambda weights: FilterMuon(weights, {"lr": rate, **decay}),
        2: lambda weights: torch.optim.Muon(weights, rate, **decay),
        1: lambda weights: torch.optim.AdamW(weights, rate / 10, fused=True, **decay),
    }
    return [makers[sides](weights) for sides, weights in sorts.items() if weights]


class FilterMuon(torch.optim.Optimizer):
    """`torch.optim.Muon`, which takes matrices only, for filters: one after the other, each as a matrix of its rows."""

    @torch.no_grad()
    def step(self):
        """One update."""
        for group in self.param_groups:
            rate, decay = group["lr"], group["weight_decay"]
            for weight in group["params"]:
                mean = self.state[weight].setdefault("mean", torch.zeros_like(weight))
                mean.lerp_(weight.grad, 0.05)
                update = weight.grad.lerp(mean, 0.95).flatten(1)
                x = update.T if len(update) > update.shape[1] else update
                x = x / x.norm().clamp(min=1e-7)
                for _ in range(5):
                    gram = x @ x.T
                    x = 3.4445 * x + (2.0315 * gram @ gram - 4.775 * gram) @ x
                x = x.T if len(update) > update.shape[1] else x
                weight.mul_(1 - rate * decay)
                weight.sub_(rate * max(1, len(update) / update.shape[1]) ** 0.5 * x.view_as(weight))


def likeness(rebuilt, images):
    """SSIM of each image, in fp32 whatever networks are computed in."""
    with torch.autocast(DEVICE.type, enabled=False):
        return ssim(rebuilt.float(), images, data_range=1.0, size_average=False)


def pace_of(optimizer, schedule, steps):
    """Torch's own course of the learning rate."""
    if schedule == "one_cycle":
        rate = optimizer.defaults["lr"]
        return torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps + 1, cycle_momentum=False)
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)


def freeze(net):
    """No learning, no statistics."""
    return net.eval().requires_grad_(False)


def pixels(images, at):
    """uint8 rows as float in [0, 1]."""
    return images[at].to(DEVICE).float().div_(255).contiguous(memory_format=torch.channels_last)


def batch(features, at):
    """float16 rows as float."""
    return features[at].to(DEVICE).float().contiguous(memory_format=torch.channels_last)


def featurize(f, images):
    """F(x) of all images, as float16 in memory."""
    return evaluated(f, images, torch.float16)


def through(p, features):
    """P(f) of all rows, as float16 in memory."""
    return evaluated(p, features, torch.float16)


def logits(net, inputs):
    """Logits of images (uint8) or of features."""
    return evaluated(net.eval(), inputs, torch.float32)


@torch.no_grad()
def evaluated(net, inputs, dtype):
    """What `net` makes of images (uint8) or of features (float16), in memory.

    Only `net` runs in mixed precision: within autocast to bf16 torch refuses to concatenate float16.
    """
    take = pixels if inputs.dtype == torch.uint8 else batch
    parts = []
    for at in torch.arange(len(inputs)).split(EVAL):
        with COMPUTE.autocast():
            part = net(take(inputs, at))
        parts.append(part.to(dtype).cpu())
    return torch.cat(parts)


def refuse_what_is_not_here(scenario):
    """Refuses what this script would leave out, so that it never does less work than the run beside it."""
    entities, refine = scenario.entities, scenario.refine
    modules = [defense for entity in entities for defense in entity.defenses if defense.kind == "dpm"]
    learned = [scenario.model.pretrain, scenario.scratch, scenario.reconstructor, refine, *modules]
    rest = ("federated", "disclosure", "exposure", "inference")
    left_out = {
        "`task` other than classification": scenario.data.task != "classification",
        "`partition` other than iid": scenario.partition.kind != "iid",
        "entities other than contributors": any(entity.kind != "contributor" for entity in entities),
        "`classes`, `overlap` or `rows` of an entity": any(e.classes or e.overlap or e.rows for e in entities),
        "defenses other than one of dpm and none": any(
            len(entity.defenses) > 1 or entity.defense.kind not in ("dpm", "none") for entity in entities
        ),
        "`against`, `adapt`, `rotate`, `confuse` or `ssim_loss` of a DPM": any(
            (dpm.against, dpm.adapt, dpm.rotate, dpm.confuse, dpm.ssim_loss) != ((), False, 1, "reconstruction", "abs")
            for dpm in modules
        ),
        "`cross_fit`, `until`, `augment` or `label_smoothing` of a DPM": any(
            dpm.cross_fit > 1 or dpm.until or dpm.augment or dpm.label_smoothing for dpm in modules
        ),
        "`schedule: constant`": any(recipe is not None and recipe.schedule == "constant" for recipe in learned),
        "`budget: steps`": refine.budget != "epochs",
        "`bn: frozen`": refine.bn == "frozen",
        "`vet: holdout`": "holdout" in (refine.vet, *(row.vet for row in scenario.refinements)),
        "`own: published`": any(row.own == "published" for row in scenario.refinements),
        "stores other than of float16": scenario.store.codec != "float16",
        **{f"`{part}`": bool(getattr(scenario, part)) for part in rest},
    }
    if asked := [what for what, is_asked in left_out.items() if is_asked]:
        raise SystemExit(
            f"plain_loop.py does not play {', '.join(asked)}. Take another scenario, or `--set` other values."
        )


def choose_classes(names, private, rng):
    """Numbers of the private classes."""
    if private == "half":
        return np.sort(rng.permutation(len(names))[: len(names) // 2])
    return np.sort([names.index(name) for name in private])


def rows_of(labels, classes):
    """Rows of these classes."""
    return np.flatnonzero(np.isin(labels, classes))


def capped(rows, most, rng):
    """At most so many of them."""
    return rows if most is None or most >= len(rows) else np.sort(rng.choice(rows, most, replace=False))


def load(source, split, rows):
    """Images in memory."""
    return torch.from_numpy(np.concatenate(list(source.images(split, rows))))


def labeled(source, split, rows, classes):
    """Images and labels in memory."""
    return load(source, split, rows), torch.from_numpy(np.searchsorted(classes, source.labels(split)[rows]))


def subsets(labels, shares, rng):
    """Disjoint stratified rows by name."""
    drawn, start = {name: [] for name in shares}, 0
    for label in labels.unique().tolist():
        members, start = rng.permutation(np.flatnonzero(labels.numpy() == label)), 0
        for name, share in shares.items():
            count = round(share * len(members))
            drawn[name].append(members[start : start + count])
            start += count
    return {name: np.sort(np.concatenate(parts)) for name, parts in drawn.items()}


if __name__ == "__main__":
    main()
