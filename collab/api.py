"""What a plugin may import: these names keep their meaning from one release to the next, and nothing else has to.

    from collab.api import Defense, DefenseOptions, PrivateView

Each name is imported when it is asked for, so a source or a backbone that needs no torch does not import it here.
Tests of a plugin take `collab.testing` beside this. Errors are those of docs/errors.md.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collab.architectures import Backbone as Backbone
    from collab.attacks.base import Attack as Attack
    from collab.attacks.base import Knowledge as Knowledge
    from collab.attacks.base import Need as Need
    from collab.data.decoding import Encoded as Encoded
    from collab.data.decoding import decode_all as decode_all
    from collab.data.decoding import digest_files as digest_files
    from collab.data.source import BLOCK as BLOCK
    from collab.data.source import Source as Source
    from collab.data.source import Split as Split
    from collab.defenses.base import (
        Defense as Defense,
    )
    from collab.defenses.base import (
        FixedDefense as FixedDefense,
    )
    from collab.defenses.base import (
        ImageDefense as ImageDefense,
    )
    from collab.defenses.base import (
        PrivateView as PrivateView,
    )
    from collab.defenses.options import ImageDefenseOptions as ImageDefenseOptions
    from collab.errors import (
        CollabError as CollabError,
    )
    from collab.errors import (
        DataError as DataError,
    )
    from collab.errors import (
        EntityError as EntityError,
    )
    from collab.errors import (
        PluginError as PluginError,
    )
    from collab.errors import (
        ResourceError as ResourceError,
    )
    from collab.errors import (
        ScenarioError as ScenarioError,
    )
    from collab.models.backbones import build_split as build_split
    from collab.models.backbones import feature_shape as feature_shape
    from collab.models.layers import Residual as Residual
    from collab.models.layers import convolution as convolution
    from collab.models.layers import initialize as initialize
    from collab.participants.entity import Entity as Entity
    from collab.plugins.discovery import Plugins as Plugins
    from collab.results.metric import Metric as Metric
    from collab.results.table import Result as Result
    from collab.scenario.base import (
        AttackOptions as AttackOptions,
    )
    from collab.scenario.base import (
        DefenseOptions as DefenseOptions,
    )
    from collab.scenario.base import (
        EntityOptions as EntityOptions,
    )
    from collab.scenario.base import (
        MetricOptions as MetricOptions,
    )
    from collab.scenario.base import (
        OneCycle as OneCycle,
    )
    from collab.scenario.base import (
        Schedule as Schedule,
    )
    from collab.scenario.base import (
        TrackerOptions as TrackerOptions,
    )
    from collab.scenario.model import Scenario as Scenario
    from collab.scenario.network import Network as Network
    from collab.scenario.sources import Data as Data
    from collab.seeding import Stream as Stream
    from collab.trackers.base import (
        Event as Event,
    )
    from collab.trackers.base import (
        Tracker as Tracker,
    )
    from collab.trackers.base import (
        folder_of as folder_of,
    )
    from collab.trackers.base import (
        import_extra as import_extra,
    )
    from collab.trackers.base import (
        name_results as name_results,
    )
    from collab.training.feeds import ImageSet as ImageSet
    from collab.training.loop import Recipe as Recipe
    from collab.training.loop import minimize as minimize
    from collab.training.precision import Compute as Compute
    from collab.training.precision import resolve_compute as resolve_compute
    from collab.training.progress import Progress as Progress
    from collab.training.recipes import outputs_of as outputs_of

HOMES: Final = {
    "collab.architectures": ("Backbone",),
    "collab.attacks.base": ("Attack", "Knowledge", "Need"),
    "collab.data.decoding": ("Encoded", "decode_all", "digest_files"),
    "collab.data.source": ("BLOCK", "Source", "Split"),
    "collab.defenses.base": ("Defense", "FixedDefense", "ImageDefense", "PrivateView"),
    "collab.defenses.options": ("ImageDefenseOptions",),
    "collab.errors": ("CollabError", "DataError", "EntityError", "PluginError", "ResourceError", "ScenarioError"),
    "collab.models.backbones": ("build_split", "feature_shape"),
    "collab.models.layers": ("Residual", "convolution", "initialize"),
    "collab.participants.entity": ("Entity",),
    "collab.plugins.discovery": ("Plugins",),
    "collab.results.metric": ("Metric",),
    "collab.results.table": ("Result",),
    "collab.scenario.base": (
        "AttackOptions",
        "DefenseOptions",
        "EntityOptions",
        "MetricOptions",
        "OneCycle",
        "Schedule",
        "TrackerOptions",
    ),
    "collab.scenario.model": ("Scenario",),
    "collab.scenario.network": ("Network",),
    "collab.scenario.sources": ("Data",),
    "collab.seeding": ("Stream",),
    "collab.trackers.base": ("Event", "Tracker", "folder_of", "import_extra", "name_results"),
    "collab.training.feeds": ("ImageSet",),
    "collab.training.loop": ("Recipe", "minimize"),
    "collab.training.precision": ("Compute", "resolve_compute"),
    "collab.training.progress": ("Progress",),
    "collab.training.recipes": ("outputs_of",),
}
"""Where each name lives; a test holds it equal to what type checkers see above."""

_HOME_OF: Final = {name: home for home, names in HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"collab.api has no {name!r}. What a plugin may import: {', '.join(__all__)}")
    found = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return list(__all__)
