"""What an actor can answer: plain reports, and nothing else."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from collab.errors import BoundaryError
from collab.participants.entity import Entity
from collab.runtime.demand import Demand
from collab.runtime.play import Where, play
from collab.runtime.ray_backend import RayBackend
from collab.scenario.model import Scenario
from collab.types import MOST_BYTES, Crossing, Measure, Report, check_report


class Text(str):
    """A text that could carry anything."""


PLAIN = Report((Measure("top1", 0.5, n=3),), (Crossing("publish", "a", "*", "shard", "f", 1, "float16", (1, 2)),), {})
SMUGGLED: dict[str, tuple[Any, str]] = {
    "a tensor": (Measure("m", torch.ones(1)), r"measures\[0\].value of type Tensor"),  # type: ignore[arg-type]
    "a parameter": (Measure("m", torch.nn.Parameter(torch.ones(1))), "of type Parameter"),  # type: ignore[arg-type]
    "an array": (Measure("m", np.ones(3)), "of type ndarray"),  # type: ignore[arg-type]
    "a number of numpy": (Measure("m", np.float64(1)), "of type float64"),
    "a module": (Measure("m", 1.0, torch.nn.Linear(2, 2)), "measures\\[0\\].low of type Linear"),  # type: ignore[arg-type]
    "bytes": (Measure(b"m", 1.0), "of type bytes"),  # type: ignore[arg-type]
    "a subclass of a text": (Measure(Text("m"), 1.0), "of type Text"),
    "a set": (Measure("m", {1.0}), "of type set"),  # type: ignore[arg-type]
    "a function": (Measure("m", print), "of type builtin_function_or_method"),  # type: ignore[arg-type]
    "a long text": (Measure("m" * 3000, 1.0), "3,000 characters"),
}


def test_plain_reports_pass() -> None:
    assert check_report(PLAIN, "Contributor.publish") is PLAIN


@pytest.mark.parametrize("name", SMUGGLED)
def test_what_is_not_plain_is_refused_by_the_name_of_the_method(name: str) -> None:
    measure, told = SMUGGLED[name]
    with pytest.raises(BoundaryError, match=f"^Contributor.publish answered report.*{told}") as caught:
        check_report(replace(PLAIN, measures=(measure,)), "Contributor.publish")
    assert caught.value.exit_code == 6


@pytest.mark.parametrize("answer", [torch.ones(2), np.ones(2), b"weights", torch.nn.Linear(1, 1), None, {"top1": 1}])
def test_only_a_report_is_an_answer(answer: Any) -> None:
    with pytest.raises(BoundaryError, match=r"^Contributor\.poison answered a \w+\. A stage answers a"):
        check_report(answer, "Contributor.poison")


def test_crossings_and_facts_are_looked_at_too() -> None:
    crossing = replace(PLAIN.crossings[0], digest=b"weights")
    with pytest.raises(BoundaryError, match=r"crossings\[0\]\.digest of type bytes"):
        check_report(replace(PLAIN, crossings=(crossing,)), "E.publish")
    with pytest.raises(BoundaryError, match=r"facts\['why'\] of type bytearray"):
        check_report(replace(PLAIN, facts={"why": bytearray(3)}), "E.publish")


def test_weights_do_not_fit_into_the_numbers_of_a_report() -> None:
    weights = torch.randn(MOST_BYTES // 16).tolist()
    with pytest.raises(BoundaryError, match=r"bytes of measures and facts; a report has at most 262,144"):
        check_report(Report(tuple(Measure("w", value) for value in weights)), "E.poison")


def test_a_run_whose_entity_answers_a_tensor_ends_with_code_6(
    small: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leaking(self: Entity, progress: object) -> torch.Tensor:
        return torch.ones(3)

    monkeypatch.setattr(Entity, "featurize", leaking)
    with pytest.raises(
        BoundaryError, match=r"in stage 'featurize'.*Contributor\.featurize answered a Tensor"
    ) as caught:
        play(small(), Where("inprocess", out=tmp_path), lambda event: None)
    assert caught.value.exit_code == 6


@pytest.mark.ray
def test_an_actor_runs_no_function_that_is_sent_to_it() -> None:
    demand = Demand((("a1",),), 1, 0.0, None, 0)
    with RayBackend(demand, lambda event: None, address="local") as backend:
        actor = backend._start(0, 0)
        with pytest.raises(BoundaryError, match="__ray_call__"):
            backend._ray.get(actor.__ray_call__.remote(lambda host: host._host.names))
