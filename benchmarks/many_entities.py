"""Very many light entities on Ray: seconds of a run, and what of it follows the last stage, cold and from the cache.

    python benchmarks/many_entities.py [--entities 64 256]

N entities hold some 8 images of 16 px each, width 4, one epoch of everything, in two worker processes; every entity
publishes with noise, and each fourth refines on what three others published. What follows the last stage is tables, the
search for leaks, and both pages. For docs/performance.md.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import describe_machine

from collab.runtime.host import Event
from collab.runtime.pages import draw_pages
from collab.runtime.play import Where, play
from collab.scenario.document import Document
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario

IMAGES = 8
"""Of each entity, about."""


def main() -> None:
    """Reads the command line and prints a line for each number of entities, first cold, then from the cache."""
    arguments = argparse.ArgumentParser(description="Plays very many light entities.")
    arguments.add_argument("--entities", type=int, nargs="+", default=[64, 256])
    print(describe_machine())
    print(
        "| entities | stages | s | after the last stage, s | share | all from the cache, s |\n|---|---|---|---|---|---|"
    )
    for count in arguments.parse_args().entities:
        scenario = state(count)
        with tempfile.TemporaryDirectory(prefix="collab-many-") as folder:
            (jobs, wall, after), (_, again, _) = (measure(scenario, Path(folder)) for _ in range(2))
        print(f"| {count} | {jobs} | {wall:.1f} | {after:.1f} | {after / wall:.3f} | {again:.1f} |", flush=True)


def state(count: int) -> Scenario:
    """The scenario of so many entities."""
    epoch, names = {"epochs": 1, "batch_size": 8}, [f"e{number}" for number in range(count)]
    entities: list[dict[str, Any]] = [
        {"name": name, "share": 0.9 / count, "defense": "gaussian_noise"} for name in names
    ]
    rows = [
        {"row": f"of_{name}", "entity": name, "own": "features", "pool": [names[at - back] for back in (1, 2, 3)]}
        for at, name in enumerate(names)
        if at % 4 == 3
    ]
    return read_scenario(
        Path("many.yaml"),
        document=Document.of({
            "name": "many", "about": "Very many light entities", "seed": 0,
            "data": {
                "source": "creatures", "image_size": 16, "public_images": 64, "classes": 4,
                "train": round(count * IMAGES / 0.9), "test": 200,
            },
            "model": {"backbone": "resnet8", "width": 4, "hook": "conv3_1", "pretrain": {"by": names[0], **epoch}},
            "reconstructor": {"kind": "px2s2", **epoch},
            "entities": entities, "refine": epoch, "refinements": rows, "controls": False,
            "resources": {"workers": 2},
        }),
    ).scenario  # fmt: skip


def measure(scenario: Scenario, out: Path) -> tuple[int, float, float]:
    """Stages, seconds of the whole run with its pages, and those after the last stage."""
    start = time.monotonic()
    ended = [start]

    def hear(event: Event) -> None:
        if event["event"] == "done":
            ended.append(time.monotonic())

    played = play(scenario, Where("ray", out=out), hear)
    draw_pages(played.run, played.audit)
    now = time.monotonic()
    return played.jobs, now - start, now - ended[-1]


if __name__ == "__main__":
    main()
