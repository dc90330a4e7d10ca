"""A multi-entity collaboration simulator: who gains what, and who discloses what, by sharing poisoned features.

    import collab

    run = collab.run("scenarios/tiny.yaml")        # plays a scenario
    print(run.answer)                              # who gained, what was disclosed, what it cost
    run.results                                    # every number, as a DataFrame
    run.report()                                   # the page to read and to send

`sweep` plays a scenario over values and seeds, `load` opens what was played, `Scenario` is made and changed in Python,
`advise` plays it with one defense after the other and says which to take.
What a plugin may import is in `collab.api`. Nothing is imported before it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import collab.api as api
    import collab.errors as errors
    from collab.front.advice import advise
    from collab.front.playing import forecast, load, run, sweep
    from collab.front.run import Run
    from collab.front.scenario import Scenario
    from collab.front.sweep import Sweep

_HOMES: Final = {
    "Run": "collab.front.run",
    "Scenario": "collab.front.scenario",
    "Sweep": "collab.front.sweep",
    "advise": "collab.front.advice",
    "api": "collab",
    "errors": "collab",
    "forecast": "collab.front.playing",
    "load": "collab.front.playing",
    "run": "collab.front.playing",
    "sweep": "collab.front.playing",
}

__all__ = ["Run", "Scenario", "Sweep", "__version__", "advise", "api", "errors", "forecast", "load", "run", "sweep"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("collab")
    if name not in _HOMES:
        raise AttributeError(f"module 'collab' has no attribute {name!r}; it has {', '.join(__all__)}")
    home = _HOMES[name]
    found = import_module(f"{home}.{name}") if home == __name__ else getattr(import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
