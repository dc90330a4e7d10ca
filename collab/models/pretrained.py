"""Weights of a file into a network: names are ours or those of the library that the modules are from."""

from collections.abc import Collection, Mapping
from typing import Final

from torch import Tensor, nn

from collab.errors import ScenarioError

COUNTER: Final = "num_batches_tracked"
"""Of BatchNorm; no result depends on it, and old files lack it."""

_NAMES = "names_in_library"


def note_names(network: nn.Module, names: Mapping[str, str] | None = None) -> None:
    """Writes on each module of a library's `network` what the library calls its tensors, before parts go elsewhere.

    `names` are those of a module of ours, which holds tensors that the library had elsewhere.
    """
    if names is not None:
        vars(network)[_NAMES] = dict(names)
        return
    for place, module in network.named_modules():
        own = (*module._parameters, *module._buffers)
        vars(module)[_NAMES] = {name: f"{place}.{name}".lstrip(".") for name in own}


def names_in_library(network: nn.Module) -> dict[str, str]:
    """The library's name of each tensor of `network`, by ours; without those of modules that are our own."""
    state = network.state_dict()
    return {
        f"{place}.{own}": name
        for place, module in network.named_modules()
        for own, name in vars(module).get(_NAMES, {}).items()
        if f"{place}.{own}" in state
    }


def load_weights(network: nn.Sequential, given: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Loads tensors into a network of `build_network`; answers the layers that stay as they were drawn.

    `given` may hold a whole network or its first part: pieces behind the last one that it has a tensor of stay as they
    are. So do the last layer where its shape differs or it is missing, as it may answer other classes, and what the
    library lacks. Raises ScenarioError where anything else is missing, too much, or of another shape.
    """
    state, of_library = network.state_dict(), names_in_library(network)
    ours = {name: name for name in state}
    names = max(of_library, ours, key=lambda names: sum(called in given for called in names.values()))
    pieces = [name for name, _ in network.named_children()]
    reached = [pieces.index(_piece(name)) for name, called in names.items() if called in given]
    if not reached:
        raise ScenarioError(
            f"the weights have no name of this network: they are called {_some(given)}, it has "
            f"{_some(of_library.values() or ours)}. They are of another backbone."
        )
    last = [place for place, module in network.named_modules() if module._parameters][-1]
    of_last = {name for name in state if _layer(name) == last}
    answers_others = any(name not in names or _differs(given.get(names[name]), state[name]) for name in of_last)
    stays = {name for name in state if name not in names or pieces.index(_piece(name)) > max(reached)}
    stays |= of_last if answers_others else set()
    taken = {name: called for name, called in names.items() if name not in stays}
    # A release's featurizer says how it normalizes; old files do not say how many batches BatchNorm saw, nor need they.
    needed = [called for name, called in taken.items() if _piece(name) != "normalize" and not name.endswith(COUNTER)]
    if missing := [called for called in needed if called not in given]:
        raise ScenarioError(f"the weights lack {_some(missing)}, which this network has. They are of another backbone.")
    if surplus := sorted(given.keys() - names.values()):
        raise ScenarioError(
            f"the weights have {_some(surplus)}, which this network lacks. They are of another backbone."
        )
    loaded = {name: given[called] for name, called in taken.items() if called in given}
    for name, value in loaded.items():
        if _differs(value, state[name]):
            raise ScenarioError(
                f"{names[name]} of the weights is {_shape(value)}, of this network {_shape(state[name])}. They are of "
                "another backbone or width."
            )
    network.load_state_dict(state | loaded)
    return tuple(dict.fromkeys(_layer(name) for name in state if name in stays and _piece(name) != "normalize"))


def _piece(name: str) -> str:
    return name.partition(".")[0]


def _layer(name: str) -> str:
    return name.rpartition(".")[0]


def _differs(value: Tensor | None, own: Tensor) -> bool:
    return value is None or value.shape != own.shape


def _some(names: Collection[str]) -> str:
    few = list(names)[:3]
    return ", ".join(few) + (f" and {len(names) - len(few)} more" if len(names) > len(few) else "")


def _shape(value: Tensor) -> str:
    return "×".join(map(str, value.shape)) or "a number"
