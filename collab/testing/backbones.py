"""What every backbone must keep: each split is exact, features are maps, and what is released is all there is."""

import copy
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from collab.architectures import ARCHITECTURES, Backbone
from collab.errors import CollabError
from collab.models.backbones import build_network, cut
from collab.plugins.discovery import Plugins
from collab.testing.controls import Check
from collab.testing.scenario import entry_of, sides

OUTPUTS, IMAGES = 5, 6
"""Of the networks that are tried, and how many images they are given."""

_PLAIN = "resnet18_small"
"""What the time of a step is compared with."""


def check_splitting(
    backbone: str | Backbone, width: int | None, kind: str, plugins: Plugins, *, most_times: float
) -> tuple[Check, ...]:
    """Builds the network and cuts it at every hook, at the least and a larger side of its images."""
    checks = [Check("without torch", _check_import(kind, plugins))]
    try:
        for name, check in (
            ("pieces", _check_pieces),
            ("same seed, same bits", _check_bits),
            ("exact split", _check_split),
            ("features", _check_features),
            ("released whole", _check_release),
        ):
            checks.append(Check(name, next(check(backbone, width), "")))
            if checks[-1].problem:
                return tuple(checks)
        checks.append(_check_cost(backbone, width, most_times))
    except CollabError as error:
        checks.append(Check("builds", str(error)))
    except Exception as error:
        checks.append(Check("builds", f"it raised {type(error).__name__}: {error}. Look into `pieces`."))
    return tuple(checks)


def _check_import(kind: str, plugins: Plugins) -> str:
    """A scenario that names it is checked in a process of its own, so that nothing here has imported torch before."""
    code = (
        "import sys; from pathlib import Path; from collab.plugins.discovery import Plugins; "
        "plugins = Plugins(tuple(map(Path, sys.argv[2:]))); from collab.scenario.kinds import Kinds; "
        "Kinds(plugins).options('backbones', sys.argv[1]); print('torch' in sys.modules)"
    )
    asked = [sys.executable, "-c", code, kind, *map(str, plugins.folders)]
    ended = subprocess.run(asked, capture_output=True, text=True, check=False)
    if ended.stdout.strip() == "False" or kind in ARCHITECTURES:
        return ""
    return (
        "to check a scenario that names it imports torch, which takes seconds. Import torch, and what needs it, inside "
        "`pieces`."
    )


def _check_pieces(backbone: str | Backbone, width: int | None) -> Iterator[str]:
    hooks, pieces = entry_of(backbone).hooks, [name for name, _ in _network(backbone, width).named_children()]
    if not hooks or len(set(hooks)) < len(hooks):
        yield f"`hooks` must name one place or more, each once, and are {', '.join(hooks) or 'none'}."
    if pieces[-1] != "head":
        yield f"the last piece must be called `head`; there are {', '.join(pieces[1:])}."
    for hook in hooks:
        if (last := entry_of(backbone).last_piece(hook)) not in pieces[1:-1]:
            yield f"a split at {hook!r} ends with the piece {last!r}, which is none of {', '.join(pieces[1:-1])}."
    places = [pieces.index(entry_of(backbone).last_piece(hook)) for hook in hooks]
    if places != sorted(places):
        yield f"`hooks` must stand in the order of the pieces, and are {', '.join(hooks)}."


def _check_bits(backbone: str | Backbone, width: int | None) -> Iterator[str]:
    one, two, other = _network(backbone, width), _network(backbone, width), _network(backbone, width, seed=1)
    if differs := _find_difference(one, two):
        yield f"{differs} differs between two builds of one seed: draw from torch's global generator alone."
    if any(True for _ in one.parameters()) and not _find_difference(one, other):
        yield "its weights are the same for every seed: initialize them at random."
    for side in sides(backbone):
        images = _images(side)
        if not torch.equal(_answer(one, images), _answer(one, images)):
            yield f"asked twice about images of {side} px it answers differently: nothing may be drawn or kept in eval."
        if not torch.equal(_train(one, images), _train(two, images)):
            yield "while it learns it draws otherwise than from torch's global generator: no clock, no other generator."


def _check_split(backbone: str | Backbone, width: int | None) -> Iterator[str]:
    """To the last bit, and on features that were stored: the decider is given a copy."""
    network = _network(backbone, width)
    for side in sides(backbone):
        images = _images(side)
        whole = _answer(network, images)
        if whole.shape != (IMAGES, OUTPUTS) or not bool(whole.isfinite().all()):
            yield f"of images of {side} px it answers {list(whole.shape)}; it must be finite, {[IMAGES, OUTPUTS]}."
            return
        for hook in entry_of(backbone).hooks:
            split = cut(network, backbone, hook)
            features = _answer(split.featurizer, images)
            stored = features.clone()
            _answer(network, images.flip(0, 3))  # so that what a piece remembers is of other images
            if not torch.equal(_answer(split.decider, stored), whole):
                yield f"split at {hook!r}, images of {side} px are answered otherwise: pieces may share no values."
            if not torch.equal(stored, features):
                yield f"the decider behind {hook!r} overwrites the features it is given: use no `inplace` there."
        if not torch.equal(images, _images(side)):
            yield "it overwrites the images that it is given: use no `inplace` there."


def _check_features(backbone: str | Backbone, width: int | None) -> Iterator[str]:
    network = _network(backbone, width)
    for hook in entry_of(backbone).hooks:
        featurizer = cut(network, backbone, hook).featurizer
        for side in sides(backbone):
            features = _answer(featurizer, _images(side))
            if features.ndim != 4 or len(features) != IMAGES or max(features.shape[2:]) > side:
                yield (
                    f"features at {hook!r} of images of {side} px are {list(features.shape)}; they must be maps "
                    f"[batch, channels, height, width], none larger than the image. Reshape in the piece before."
                )
                return
            if entry_of(backbone).is_rectified(hook) and bool((features < 0).any()):
                yield f"`is_rectified({hook!r})` says that features are never negative, and some are."


def _check_release(backbone: str | Backbone, width: int | None) -> Iterator[str]:
    """A network is released as its `state_dict`: what is not in there, nobody else has."""
    network, other = _network(backbone, width), _network(backbone, width, seed=1)
    images = _images(sides(backbone)[0])
    network.train()(images).square().mean().backward()
    idle = [name for name, value in network.named_parameters() if value.grad is None]
    if idle:
        yield f"no gradient reaches {', '.join(idle[:3])}: leave out what the answer does not depend on."
    other.load_state_dict(copy.deepcopy(network.state_dict()))
    if not torch.equal(_answer(network, images), _answer(other, images)):
        yield (
            "with the weights of another network loaded it does not answer as that one: what it learns or draws must "
            "be a parameter or a buffer."
        )


def _check_cost(backbone: str | Backbone, width: int | None, most_times: float) -> Check:
    """Seconds of a step of training, beside one of a small ResNet on images of the same size."""
    side = max(sides(backbone)[0], 32)
    side = min(side, entry_of(backbone).sides[1])
    plain = _network(_PLAIN, None)
    mine = _time(lambda: _network(backbone, width), side)
    other = _time(lambda: plain, side)
    times = mine / max(other, 1e-4)
    figure = f"{1000 * mine:.0f} ms for a step of {IMAGES} images of {side} px, {times:.2g} times {_PLAIN}"
    advice = f"; at most {most_times:g} times is expected. Find what is slow, or allow --most-times more."
    return Check("cost", "" if times <= most_times else figure + advice, figure)


def _time(build: Callable[[], nn.Module], side: int) -> float:
    network, images, seconds = build().train(), _images(side), []
    for _ in range(3):
        start = time.perf_counter()
        network(images).square().mean().backward()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _network(backbone: str | Backbone, width: int | None, seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build_network(backbone, classes=OUTPUTS, width=width)


def _images(side: int) -> Tensor:
    return torch.rand(IMAGES, 3, side, side, generator=torch.Generator().manual_seed(side))


def _answer(network: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        answer: Tensor = network.eval()(x)
    return answer


def _train(network: nn.Module, images: Tensor) -> Tensor:
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        answer: Tensor = network.train()(images)
    return answer


def _find_difference(one: nn.Module, two: nn.Module) -> str:
    other = two.state_dict()
    return next((name for name, value in one.state_dict().items() if not torch.equal(value, other[name])), "")
