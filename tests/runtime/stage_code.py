"""Digests of the code that each stage runs, without comments, docstrings and annotations.

python tests/runtime/stage_code.py                 records them; refuses where code changed and its version did not
python tests/runtime/stage_code.py --same-results  records all the same: somebody has made sure that no bit changes
"""

import ast
import hashlib
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from collab_entities.mislabeler import Mislabeler
from collab_entities.noisy import Noisy
from collab_entities.selective import Selective

from collab.attacks.adversarial_alignment import AdversarialAlignment
from collab.attacks.attribute_inference import AttributeInference
from collab.attacks.distribution_matching import DistributionMatching
from collab.attacks.histogram_matching import HistogramMatching
from collab.attacks.leaked_module import LeakedModule
from collab.attacks.leaked_pairs import LeakedPairs
from collab.attacks.matching import Matching
from collab.attacks.membership_inference import MembershipInference
from collab.attacks.optimization_inversion import OptimizationInversion
from collab.attacks.own_module import OwnModule
from collab.attacks.shadow_modules import ShadowModules
from collab.attacks.straw_man import StrawMan
from collab.attacks.through_decider import ThroughDecider
from collab.attacks.thumbnail import Thumbnail
from collab.attacks.unseen_reconstructor import UnseenReconstructor
from collab.data import celeba, creatures, folders, parquet, torchvision_sets
from collab.defenses.adversarial import Adversarial
from collab.defenses.chain import Chain
from collab.defenses.class_gaussian import ClassGaussian
from collab.defenses.dpm import DpmDefense
from collab.defenses.gaussian_filter import GaussianFilter
from collab.defenses.gaussian_noise import GaussianNoise
from collab.defenses.mean_filter import MeanFilter
from collab.defenses.none import NoDefense
from collab.defenses.obfuscator import Obfuscator
from collab.defenses.orthogonal import Orthogonal
from collab.defenses.pixel_noise import PixelNoise
from collab.defenses.pooling import Pooling
from collab.defenses.quantization import Quantization
from collab.defenses.visual_mixer import VisualMixer
from collab.entity import Entity
from collab.plugins.discovery import is_ours
from collab.runtime.assign import open_scenario_source
from collab.runtime.host import Host
from collab.runtime.oracle import Oracle
from collab.runtime.stages import VERSIONS

DEFENSES = [
    Adversarial,
    Chain,
    ClassGaussian,
    DpmDefense,
    GaussianFilter,
    GaussianNoise,
    MeanFilter,
    NoDefense,
    Obfuscator,
    Orthogonal,
    PixelNoise,
    Pooling,
    Quantization,
    VisualMixer,
]
RECORD = Path(__file__).with_name("stage_code.json")


class Member(NamedTuple):
    """A class and an attribute of it, by name."""

    owner: type
    name: str


ROOTS: dict[str, list[Any]] = {
    "decode": [Member(Host, "_decode"), open_scenario_source, celeba, creatures, folders, parquet, torchvision_sets],
    "find_copies": [Member(Oracle, "find_copies")],
    "pretrain": [Member(Entity, "pretrain")],
    "reconstruct": [Member(Entity, "reconstruct")],
    "featurize": [Member(Entity, "featurize")],
    "featurize_heldout": [Member(Oracle, "featurize_heldout")],
    "poison": [Member(Entity, "poison"), *DEFENSES],
    "federate": [Member(Entity, "federate")],
    "average": [Member(Entity, "average")],
    "infer": [Member(Oracle, "infer")],
    "embed": [Member(Oracle, "embed")],
    "expose": [Member(Entity, "expose")],
    "publish": [Member(Entity, "publish"), *DEFENSES, Mislabeler, Noisy],
    "refine": [Member(Entity, "refine"), Member(Oracle, "refine"), Selective],
    "withdraw": [Member(Entity, "withdraw")],
    "rehearse": [Member(Entity, "rehearse"), ShadowModules, ThroughDecider],
    "hand_out": [Member(Oracle, "hand_out")],
    "attack": [
        Member(Entity, "attack"),
        StrawMan,
        OwnModule,
        Thumbnail,
        HistogramMatching,
        UnseenReconstructor,
        LeakedModule,
        ShadowModules,
        LeakedPairs,
        DistributionMatching,
        ThroughDecider,
        Matching,
        OptimizationInversion,
        AdversarialAlignment,
        AttributeInference,
        MembershipInference,
    ],
    "judge": [Member(Oracle, "judge")],
    "recognize": [Member(Oracle, "recognize")],
    "disclose": [Member(Entity, "disclose"), *DEFENSES],
}
BY_METHOD = {"Participant", "Entity", "Oracle", "Host"}
"""Classes of which only the methods that a stage calls count; of all others the whole class does."""

NOT_CODE = ("collab.scenario", "collab.errors", "collab.runtime.cache", "collab.training.progress")
"""What a stage is told, how it fails, and where it leaves things: no result follows from these."""


def digests() -> dict[str, str]:
    """The digest of each stage's code."""
    return {
        stage: hashlib.sha256("\n".join(sorted(set(_traced(roots)))).encode()).hexdigest()
        for stage, roots in ROOTS.items()
    }


def _traced(roots: list[Any]) -> Iterator[str]:
    todo, seen = list(roots), set[Any]()
    while todo:
        each = todo.pop()
        owner, function = None, each
        if isinstance(each, Member):
            owner, function = each.owner, _plain(inspect.getattr_static(each.owner, each.name, None))
        name = (
            getattr(owner, "__name__", ""),
            getattr(function, "__module__", ""),
            getattr(function, "__qualname__", repr(function)),
        )
        if function is None or isinstance(function, int | float | str | tuple) or name in seen:
            continue
        seen.add(name)
        if isinstance(function, ModuleType):
            todo += [
                value for value in vars(function).values() if getattr(value, "__module__", "") == function.__name__
            ]
        elif isinstance(function, type):
            if _is_ours(function) and function.__name__ not in BY_METHOD:
                todo += [Member(function, attribute) for attribute in vars(function)]
                yield f"{function.__qualname__} {_class_values(function)}"
        elif isinstance(function, FunctionType) and _is_ours(function) and _is_written(function):
            tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
            yield f"{function.__module__}.{function.__qualname__} {_dump(tree)}"
            yield from _constants(tree, function)
            todo += _used(tree, function, owner)


def _constants(tree: ast.AST, function: FunctionType) -> Iterator[str]:
    """Numbers and words of the module that `function` reads."""
    for node in ast.walk(tree):
        value = function.__globals__.get(node.id) if isinstance(node, ast.Name) else None
        if isinstance(value, int | float | str | tuple) and "<" not in repr(value):
            yield f"{function.__module__} {node.id} = {_told(value)}"


def _told(value: Any) -> str:
    """`repr`, with sets in order: theirs is another in each process."""
    if isinstance(value, frozenset | set):
        return f"{{{', '.join(sorted(map(_told, value)))}}}"
    return f"({', '.join(map(_told, value))})" if isinstance(value, tuple) else repr(value)


def _used(tree: ast.AST, function: FunctionType, owner: type | None) -> Iterator[Any]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in function.__globals__:
            yield function.__globals__[node.id]
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self" and owner:
            yield Member(owner, node.attr)


def _is_ours(code: Any) -> bool:
    return is_ours(code.__module__) and not code.__module__.startswith(NOT_CODE)


def _is_written(function: FunctionType) -> bool:
    """Whether somebody wrote it; a dataclass makes some of its methods from its fields."""
    return not function.__code__.co_filename.startswith("<")


def _plain(member: Any) -> Any:
    for kind, inner in (
        (property, "fget"),
        (cached_property, "func"),
        (staticmethod, "__func__"),
        (classmethod, "__func__"),
    ):
        if isinstance(member, kind):
            return getattr(member, inner)
    return inspect.unwrap(member) if isinstance(member, FunctionType) else None


def _class_values(kind: type) -> str:
    return repr(
        {
            name: value
            for name, value in sorted(vars(kind).items())
            if isinstance(value, int | float | str | tuple) and name[0] != "_"
        }
    )


def _dump(node: Any) -> Any:
    """The tree as text, alike on all versions of Python."""
    if isinstance(node, list):
        return [_dump(each) for each in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    skipped = {"returns", "annotation", "type_comment", "type_params", "decorator_list", "kind", "ctx"}
    fields = {name: value for name, value in ast.iter_fields(node) if name not in skipped and value not in (None, [])}
    if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node, clean=False) is not None:
        fields["body"] = node.body[1:]
    return f"{type(node).__name__}({', '.join(f'{name}={_dump(value)}' for name, value in sorted(fields.items()))})"


def main() -> None:
    known = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    found = digests()
    stale = [
        stage
        for stage, digest in found.items()
        if stage in known and known[stage]["code"] != digest and known[stage]["version"] == VERSIONS[stage]
    ]
    if stale and "--same-results" not in sys.argv:
        sys.exit(f"the code of {', '.join(stale)} changed and VERSIONS in collab/runtime/stages.py did not.")
    record = {stage: {"version": VERSIONS[stage], "code": digest} for stage, digest in found.items()}
    RECORD.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
