"""What `collab new` writes; `$kind` is the name, `$Kind` that of the class."""

from string import Template

ENTITY = '''\
"""An entity that rounds what it publishes."""

from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn
from typing_extensions import override

from collab.participants.entity import Entity
from collab.scenario.base import EntityOptions


class $Kind(Entity):
    """Plays the paper's entity and rounds its poisoned features before it publishes them."""

    class Options(EntityOptions):
        """What may stand under `options` of an entity of this kind."""

        decimals: int = Field(2, ge=0, le=6, description="Decimals that published features keep; fewer say less.")

    kind: ClassVar[str] = "$kind"
    options: Options

    @override
    def defend(self, module: nn.Module, features: Tensor) -> Tensor:
        """What is published of `features` [batch, channels, height, width], called batch by batch.

        `module` is the fitted defense. The same is called on held-out features, which tell what protection costs and
        hides. Other methods to override: `pretrain`, `reconstruct`, `featurize`, `poison`, `publish`, `refine`.
        """
        return super().defend(module, features).round(decimals=self.options.decimals)
'''

DEFENSE = '''\
"""A defense that limits features."""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field
from torch import nn
from typing_extensions import override

from collab.defenses.base import Defense, PrivateView
from collab.scenario.base import DefenseOptions


@dataclass(frozen=True)
class $Kind(Defense):
    """Publishes features cut off at a limit."""

    class Options(DefenseOptions):
        """What may stand beside `kind: $kind`."""

        limit: float = Field(1.0, gt=0, description="Largest magnitude of a published feature; less says less.")

    kind: ClassVar[str] = "$kind"
    is_private: ClassVar[bool] = False
    keeps_values: ClassVar[bool] = True  # what is below the limit is published as it is: the audit is not to wonder

    limit: float

    @property
    @override
    def batch_size(self) -> int:
        return 256

    @override
    def build(self, channels: int, *, rectified: bool) -> nn.Module:
        return nn.Hardtanh(-self.limit, self.limit)

    @override
    def fit(self, module: nn.Module, view: PrivateView) -> tuple[float, ...]:
        """Nothing is learned; what is must be trained here, on `view` alone, and left frozen."""
        return ()
'''

ATTACK = '''\
"""An attack that trusts the released reconstructor in part."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from collab.attacks.base import Attack, Knowledge, Need
from collab.scenario.base import AttackOptions
from collab.seeding import Stream
from collab.training.precision import Compute
from collab.training.progress import Progress
from collab.training.recipes import outputs_of


@dataclass(frozen=True)
class $Kind(Attack):
    """Mixes what the released reconstructor shows with the mean of public images."""

    class Options(AttackOptions):
        """What may stand beside `kind: $kind`."""

        trust: float = Field(0.8, ge=0, le=1, description="Share of the reconstruction in the answer.")

    kind: ClassVar[str] = "$kind"
    needs: ClassVar[frozenset[Need]] = frozenset({"reconstructor", "public_data"})

    trust: float

    @override
    def rebuild(self, known: Knowledge, stream: Stream, compute: Compute, progress: Progress) -> Tensor:
        """An image [3, side, side] in [0, 1] for each row of `known.features`; `known` holds what `needs` names."""
        rebuilt = outputs_of(known.reconstructor, known.features, compute)
        mean = known.public_data.take(np.arange(min(len(known.public_data), 256)), rebuilt.device).mean(0)
        return self.trust * rebuilt + (1 - self.trust) * mean
'''

_TEST = '''\
"""The $what $kind takes its options and honors them; a scenario with it plays from images to results."""

from pathlib import Path

import pytest
import torch
$imports

PROJECT = Path(__file__).parents[1]
SCENARIO = """
name: try_$kind
data: {source: creatures, image_size: 16, classes: 4, train: 160, test: 40, public_images: 32}
model: {backbone: resnet8, width: 4, hook: conv3_1, pretrain: {by: a1, epochs: 1}}
reconstructor: {epochs: 1}
entities:
  - {name: a1, share: 0.5, $first}
  - {name: a2, share: 0.5, $stated}
refine: {epochs: 1}
refinements:
  - {row: 7, entity: a1, own: features, pool: [a2]}
controls: false
"""


def read(folder: Path, text: str) -> Loaded:
    path = folder / "try_$kind.yaml"
    path.write_text(text, encoding="utf-8")
    return read_scenario(path, plugin_dirs=[PROJECT])


def test_a_wrong_option_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="$option: must be"):
        read(tmp_path, SCENARIO.replace("$option: $value", "$option: -1"))


$unit


def test_a_scenario_plays(tmp_path: Path) -> None:
    loaded = read(tmp_path, SCENARIO)
    where = Where("inprocess", device="cpu", out=tmp_path, plugins=loaded.plugins)
    played = play(loaded.scenario, where, lambda event: None)
    assert any(row.row == "7" and row.metric == "top1" for row in played.rows)
'''

ENTITY_TEST = Template(_TEST).safe_substitute(
    what="entity",
    option="decimals",
    value="1",
    first="defense: none",
    stated="kind: $kind, options: {decimals: 1}, defense: none",
    imports="""\
from torch import nn

from collab.errors import ScenarioError
from collab.runtime.play import Where, play
from collab.scenario.reader import Loaded, read_scenario
from collab.training.precision import resolve_compute
""".rstrip(),
    unit="""\
def test_what_it_publishes_is_rounded(tmp_path: Path) -> None:
    loaded = read(tmp_path, SCENARIO)
    kind = loaded.plugins.load("entities", "$kind")
    entity = kind("a2", loaded.scenario, tmp_path, classes=2, compute=resolve_compute("fp32", "cpu"))
    entity.options = loaded.scenario.entities[1].options
    published = entity.defend(nn.Identity(), torch.tensor([[0.123, -4.56]]))
    torch.testing.assert_close(published, torch.tensor([[0.1, -4.6]]))
""".rstrip(),
)

DEFENSE_TEST = Template(_TEST).safe_substitute(
    what="defense",
    option="limit",
    value="0.5",
    first="defense: none",
    stated="defense: {kind: $kind, limit: 0.5}",
    imports="""\

from collab.errors import ScenarioError
from collab.runtime.play import Where, play
from collab.scenario.reader import Loaded, read_scenario
""".rstrip(),
    unit="""\
def test_what_it_publishes_is_limited(tmp_path: Path) -> None:
    loaded = read(tmp_path, SCENARIO)
    options = loaded.scenario.entities[1].defense
    module = loaded.plugins.load("defenses", "$kind").from_options(options).build(3, rectified=False)
    features = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(module(features), features.clamp(-0.5, 0.5))
""".rstrip(),
)

ATTACK_TEST = Template(_TEST).safe_substitute(
    what="attack",
    option="trust",
    value="0.5",
    first="kind: curious, options: {attacks: [{kind: $kind, trust: 0.5}]}, defense: none",
    stated="defense: none",
    imports="""\
from torch import nn

from collab.attacks.base import Knowledge
from collab.errors import ScenarioError
from collab.runtime.play import Where, play
from collab.scenario.reader import Loaded, read_scenario
from collab.seeding import Stream
from collab.training.feeds import ImageSet
from collab.training.precision import resolve_compute
from collab.training.progress import Progress
""".rstrip(),
    unit="""\
def test_it_answers_an_image_for_each_row(tmp_path: Path) -> None:
    loaded = read(tmp_path, SCENARIO)
    kind = loaded.plugins.load("attacks", "$kind")
    attack = kind.from_options(kind.Options(kind="$kind", trust=0.5))
    public = ImageSet(torch.full((4, 3, 8, 8), 255, dtype=torch.uint8).numpy(), torch.zeros(4).long().numpy())
    features = torch.zeros(2, 3, 8, 8)
    known = Knowledge(
        "this test", features, torch.zeros(2).long(), attack.needs, reconstructor=nn.Identity(), public_data=public
    )
    answer = attack.rebuild(known, Stream(0, "a1", "attack"), resolve_compute("fp32", "cpu"), Progress())
    torch.testing.assert_close(answer, torch.full((2, 3, 8, 8), 0.5))
""".rstrip(),
)
