"""Settings for all tests: hypothesis without a deadline (the first torch call is slow), one thread; a bucket."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import jinja2
import pytest
import torch
from hypothesis import settings

from collab.runtime.play import Played
from collab.scenario.model import Scenario
from collab.scenario.reader import read_scenario
from tests.html_tables import ragged_tables
from tests.places import TINY
from tests.playing import SMALL, play_here

settings.register_profile("collab", deadline=None, derandomize=True, max_examples=25)
settings.load_profile("collab")
torch.set_num_threads(1)
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

TESTS = Path(__file__).parent
ARITHMETIC = [
    "attacks/test_suite.py",
    "data/test_celeba.py",
    "defenses/test_encoders_played.py",
    "entities/test_kinds.py",
    "participants/test_attacking.py",
    "participants/test_disclosure.py",
    "participants/test_exposure.py",
    "participants/test_federation.py",
    "participants/test_published_images.py",
    "runtime/test_chains.py",
    "runtime/test_check.py",
    "runtime/test_leak_check.py",
    "runtime/test_modes.py",
    "runtime/test_pictures.py",
    "runtime/test_play.py",
    "runtime/test_private_seeds.py",
    "runtime/test_tasks_played.py",
    "stages/test_keys.py",
]
"""Files whose tests play stages: together every stage, attack and defense, as `precision: auto` computes them."""

LONG = [
    "data/test_hub.py",
    "defenses/test_chain.py",
    "entities/test_kinds.py",
    "front/test_examples.py",
    "front/test_replays.py",
    "front/test_run.py",
    "front/test_sweep.py",
    "models/test_backbones.py",
    "models/test_timm_networks.py",
    "models/test_transformers.py",
    "participants/test_attacking.py",
    "participants/test_disclosure.py",
    "participants/test_new_users.py",
    "participants/test_published_images.py",
    "participants/test_publishing.py",
    "plugins/test_add_a_backbone.py",
    "plugins/test_add_a_metric.py",
    "plugins/test_add_a_source.py",
    "plugins/test_add_an_entity.py",
    "report/pages/test_browser.py",
    "report/test_two_pages.py",
    "runtime/test_cache.py",
    "runtime/test_chains.py",
    "runtime/test_copies.py",
    "runtime/test_exposed_played.py",
    "runtime/test_imagenet_tree.py",
    "runtime/test_leak_check.py",
    "runtime/test_malicious_played.py",
    "runtime/test_modes.py",
    "runtime/test_overhead.py",
    "runtime/test_pictures.py",
    "runtime/test_private_seeds.py",
    "runtime/test_refusals.py",
    "runtime/test_results_played.py",
    "runtime/test_resume.py",
    "runtime/test_reuse_commands.py",
    "runtime/test_signed_runs.py",
    "runtime/test_soak.py",
    "runtime/test_store_elsewhere.py",
    "runtime/test_sweep.py",
    "runtime/test_tasks_played.py",
    "runtime/test_without_locks.py",
    "stages/test_stage_code.py",
    "test_cli_play.py",
    "test_cli_plugins.py",
    "test_cli_process.py",
    "test_packaging.py",
    "testing/test_kit.py",
    "trackers/test_trackers.py",
    "training/test_host_copies.py",
]
"""Files that take more than four seconds of a core to play, to train, to build networks or to start interpreters."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that `.ci/run` plays in bf16 and in fp32, and those that `scripts/test fast` leaves out."""
    marks = {"arithmetic": {TESTS / file for file in ARITHMETIC}, "long": {TESTS / file for file in LONG}}
    assert all(file.is_file() for files in marks.values() for file in files)
    for item in items:
        for mark, files in marks.items():
            if item.path in files:
                item.add_marker(mark)


@pytest.fixture(scope="session", autouse=True)
def no_page_has_a_ragged_table() -> Iterator[None]:
    """Every page that any test draws in this process has as many cells in each line of a table as it has heads."""
    drawn = jinja2.Template.render

    def checked(self: jinja2.Template, *given: object, **parts: object) -> str:
        page = drawn(self, *given, **parts)
        assert not (found := ragged_tables(page)), f"{self.name}: {found}"
        return page

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jinja2.Template, "render", checked)
        yield


@pytest.fixture(scope="session")
def small() -> Callable[..., Scenario]:
    """Reads `tiny.yaml` with fewer and smaller everything, and further overrides: a second or two to play."""
    return lambda *overrides, seed=None: read_scenario(TINY, [*SMALL, *overrides], seed).scenario


@pytest.fixture(scope="session")
def played(small: Callable[..., Scenario], tmp_path_factory: pytest.TempPathFactory) -> Played:
    """That scenario, played once for all tests that change nothing in its folder."""
    return play_here(small(), tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    """A bucket of an S3-compatible server in this process, as a URI takes it."""
    from moto.server import ThreadedMotoServer
    from pyarrow import fs

    names = {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "its-secret", "AWS_EC2_METADATA_DISABLED": "true"}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    asked = f"region=us-east-1&scheme=http&endpoint_override={host}:{port}"
    fs.FileSystem.from_uri(f"s3://stores?{asked}&allow_bucket_creation=true")[0].create_dir("stores")
    yield f"s3://stores/of/runs?{asked}"
    server.stop()
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})
