"""What defenses are fitted on in tests: defenses of two passes, and readers of rows in memory."""

import torch
from torch import Tensor, nn

from collab.defenses.dpm import DpmDefense
from collab.defenses.gaussian_noise import GaussianNoise
from collab.defenses.mean_filter import MeanFilter
from collab.defenses.options import Dpm
from collab.models.freeze import freeze
from collab.models.reconstructors import build_reconstructor
from collab.seeding import Stream
from collab.training.precision import resolve_compute

COMPUTE = resolve_compute("fp32", "cpu")
STREAM = Stream(0, "a1", "poison")
CHANNELS = 8
OPTIONS = {"kind": "dpm", "blocks": 1, "epochs": 2, "batch_size": 8}
DPM = DpmDefense.from_options(Dpm(**OPTIONS))
NOISE, MEAN = GaussianNoise(1.0), MeanFilter(3)


def reconstructor(kind: str = "px2s2") -> nn.Module:
    with STREAM.initialization(kind):
        return freeze(build_reconstructor(kind, (CHANNELS, 8, 8), 16, tail_blocks=0))


def protected(module: nn.Module, features: Tensor) -> Tensor:
    with torch.no_grad():
        return module(features)


def with_options(**more: object) -> DpmDefense:
    return DpmDefense.from_options(Dpm(**OPTIONS, **more))  # type: ignore[arg-type]
