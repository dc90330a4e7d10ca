"""A run directory with made-up figures: everything that a page can show, in milliseconds."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from collab.results.table import Result, write_results
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario, to_yaml
from collab.scenario.rows import list_played_rows
from collab.store.ledger import write_ledger
from collab.store.pictures import Pictures, write_pictures
from collab.types import Crossing
from tests.places import TINY

CLASSES = ["cat", "dog & <fox>", "owl"]


def scenario(*overrides: str) -> Scenario:
    return read_scenario(TINY, overrides).scenario


def row(
    name: str, entity: str | None, metric: str, value: float | None, reach: float | None = 0.01, **more: object
) -> Result:
    low, high = (None, None) if value is None or reach is None else (value - reach, value + reach)
    more = {"n": 100, "seed": 0, "seconds": 1.5, "device": "cpu float32", "attack": None, **more}
    return Result("tiny", name, entity, "dpm", metric=metric, value=value, low=low, high=high, **more)  # type: ignore[arg-type]


def rows(stated: Scenario, top1: Mapping[str, float] | None = None, attacked: float | None = None) -> list[Result]:
    """Top-1 of .5 for every row that `top1` does not name; Tables 1 and 2 of a reconstructor that is fooled."""
    top1 = top1 or {}
    made = [row("c_public", None, "top1", top1.get("c_public", 0.5))]
    made += [row("c_public", None, f"ssim[7]_prior_{kind}", 0.15) for kind in ("unrelated", "mean", "class_mean")]
    for each in list_played_rows(stated):
        name = str(each.name)
        paper = {"paper": 0.5, "verdict": "not comparable: made up"} if name.isdecimal() else {}
        made.append(row(name, each.entity, "top1", top1.get(name, 0.5), **paper))
    for entity in stated.entities:
        for metric, value in (
            ("top1_original", 0.5), ("top1_poisoned", 0.48), ("agreement", 0.9), ("kl", 0.1), ("l1_original", 0.1),
            ("l1_poisoned", 0.3), ("ssim[7]_original", 0.6), ("ssim[7]_poisoned", 0.02), ("ssim_max[7]_poisoned", 0.09),
            ("abs_ssim_map[7]_poisoned", 0.2),
        ):  # fmt: skip
            made.append(row("tables_1_2", entity.name, metric, value))
        if attacked is not None and entity.name != "a1":
            for metric, value in (
                ("l1", 0.2), ("ssim[7]", attacked), ("ssim_max[7]", attacked), ("ssim[7]_prior_class_mean", 0.15)
            ):  # fmt: skip
                made.append(row("by a1", entity.name, metric, value, attack="own_module"))
    return made


def crossings(stated: Scenario) -> list[Crossing]:
    sent = [Crossing("release", "a1", "*", "decider", "d" * 64, 1000, "float32", (4,))]
    for entity in stated.entities:
        shard = ("shard", entity.name * 32, 1_000_000, "float16", (100, 8, 8, 8))
        sent += [Crossing("publish", entity.name, "*", *shard)]
        sent += [Crossing("refine", entity.name, "a4", *shard)] * 2 * (entity.name != "a4")
    return sent


def pictures(count: int = 16, side: int = 32, worst: float = 0.4) -> Pictures:
    draw = np.random.default_rng(0)
    images = [draw.integers(0, 256, (count, 3, side, side), dtype=np.uint8) for _ in range(3)]
    score = np.linspace(worst, 0.0, count)
    at = np.arange(count)
    return Pictures("ssim[7]", 100, at, at % 3, at < count // 2, score + 0.3, score, *images)


def write_run(
    folder: Path, stated: Scenario, made: list[Result], *, shown: Pictures | None = None, record: object = None
) -> Path:
    """Writes what a run leaves; every entity has the pictures `shown`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scenario.yaml").write_text(to_yaml(stated), encoding="utf-8")
    write_results(folder / "results.parquet", made)
    write_ledger(folder / "ledger.parquet", crossings(stated))
    names = [entity.name for entity in stated.entities]
    job = {"seconds": 2.0, "peak_bytes": 10**9, "cached": False}
    known = {
        "python": "3", "torch": "2", "machine": "x86_64", "compute": "cpu float32", "cores": 2, "seconds": 75.0,
        "classes": CLASSES, "labels": {name: [10, 30, at] for at, name in enumerate(names)},
        "images": dict.fromkeys(names, 40), "source": "0" * 64, "failures": {},
        "jobs": {
            "decode a1": {**job, "losses": []},
            "pretrain a1": {**job, "losses": [[2.5, 1.0, 0.5]]},
            "poison a1": {**job, "cached": True, "losses": [[3.0, -0.5], [2.0, -0.25]]},
            "refine a1 row 7": {**job, "cached": True, "losses": None},
        },
    }  # fmt: skip
    (folder / "record.json").write_text(json.dumps(known | (record if isinstance(record, dict) else {})))
    for name in names if shown is not None else []:
        assert shown is not None
        write_pictures(folder / "pictures" / name, shown)
    return folder
