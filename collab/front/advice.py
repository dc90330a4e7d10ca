"""Which defense to take, and where to cut the network: each is played and attacked, then one is named."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, Final

from collab.architectures import ARCHITECTURES
from collab.errors import BoundaryError, CollabError, ScenarioError
from collab.front.playing import AnyScenario, Backend, Device, Progress, run
from collab.front.scenario import Changes, Scenario
from collab.report.attack_page.attempts import is_of_weights
from collab.report.attack_page.cells import name_attack
from collab.report.attack_page.got import list_got
from collab.results.figure import Figure, add_figures
from collab.results.words import format_size, join_names
from collab.scenario.document import read_value
from collab.scenario.stage_rows import PUBLISH

if TYPE_CHECKING:
    from collab.front.run import Run
    from collab.report.cells import Table

DEFENSES: Final[Mapping[str, Any]] = {
    "none": "none",
    "gaussian_noise": "gaussian_noise",
    "dpm by labels": "dpm",
    "dpm by logits": {"kind": "dpm", "equivalence": "logits"},
    "class_gaussian": "class_gaussian",
    "public_gaussian": "public_gaussian",
    "public_gaussian, ε = 8": {"kind": "public_gaussian", "dp": {"epsilon": 8}},
    "public_answers": "public_answers",
    "public_answers, cross-fitted": {"kind": "public_answers", "cross_fit": 2},
}
"""What is tried unless others are named: one of each kind, from rows as they are to answers about public images."""

AS_STATED: Final = "as stated"
"""The defenses that the scenario itself has."""


@dataclass(frozen=True)
class Offer:
    """One defense at one hook: what it brings, what it publishes, and the most that an attack got.

    `gain` is the mean over entities that read a pool, in points. `leak` is a share of what there is to find, from 0 to
    1, with its interval: normalized leakage, rows matched, or members found beyond 1 % false alarms, whichever reaches
    highest; `attack` got it, of `attacks`. `failed` says why there is nothing of all this.
    """

    defense: str
    hook: str
    gain: Figure | None = None
    published: int = 0
    leak: Figure | None = None
    attack: str = ""
    attacks: int = 0
    failed: str = ""

    def is_within(self, leak: float) -> bool:
        """Whether the whole interval of what attacks got lies at or below `leak`; not where nothing was measured."""
        return self.gain is not None and self.leak is not None and (self.leak.high or 0.0) <= leak


@dataclass(frozen=True)
class Advice:
    """All that was tried, in the order in which it was, and what to take where no more than `most_leak` may leak."""

    scenario: str
    most_leak: float
    points: str
    offers: tuple[Offer, ...]

    @property
    def chosen(self) -> Offer | None:
        """The largest gain of those within the limit, where it is clearly above 0; of equal ones the earlier."""
        within = [each for each in self.offers if each.is_within(self.most_leak)]
        best = max(within, key=lambda each: each.gain.value if each.gain else 0.0, default=None)
        return best if best is not None and best.gain is not None and best.gain.direction > 0 else None

    def __str__(self) -> str:
        """A sentence or two."""
        taken, limit = self.chosen, f"{100 * self.most_leak:g} %"
        tried = f"of {sum(not each.failed for each in self.offers)} that were tried, with one seed"
        if taken is None or taken.gain is None or taken.leak is None:
            within = [each.defense for each in self.offers if each.is_within(self.most_leak)]
            if not within:
                return f"Take none {tried}: attacks may have got more than {limit} of each."
            names = join_names(list(dict.fromkeys(within)))
            return f"Take none {tried}: {names} stayed within {limit}, and brought nobody a clear gain."
        ends = taken.gain.format_ends(1.0, "+.1f")
        return (
            f"Take {taken.defense} at {taken.hook}, {tried}: it brings {taken.gain.value:+.1f} {self.points} ({ends}) "
            f"for {format_size(taken.published)} published, and the best of {taken.attacks} attacks, {taken.attack}, "
            f"got {100 * taken.leak.value:.1f} % (at most {100 * (taken.leak.high or 0):.1f} %) where {limit} are "
            "allowed."
        )

    @property
    def table(self) -> "Table":
        """A line for each defense and hook."""
        from collab.report.cells import ABSENT, Table

        lines = []
        for each in self.offers:
            gain = each.gain.format(1.0, 1, sign="+") if each.gain else ABSENT
            leak = f"{each.leak.value:.3f} [{each.leak.format_ends(1.0, '.3f', between=', ')}]" if each.leak else ABSENT
            taken = "take" if each == self.chosen else "within" if each.is_within(self.most_leak) else ""
            size = format_size(each.published) if each.published else ABSENT
            lines.append((each.defense, each.hook, gain, size, leak, each.attack or each.failed or ABSENT, taken))
        notes = (
            f"Gain: {self.points}, mean over entities that read a pool. Leak: the most that an attack of the quick "
            "suite got of what there is to find, with its 95 % interval: leakage of images, rows matched, or members "
            "found beyond 1 % false alarms. No attack that found less proves that none finds more.",
        )
        columns = ("defense", "hook", f"gain, {self.points}", "published", "leak", "by", "")
        return Table(f"Defenses for {self.scenario}", columns, tuple(lines), notes)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        told = {"told": str(self), "chosen": None if self.chosen is None else asdict(self.chosen)}
        return {**asdict(self), **told}

    def _repr_html_(self) -> str:
        return f"<p>{self}</p>{self.table._repr_html_()}"


def advise(
    scenario: AnyScenario,
    *,
    leak: float = 0.1,
    defenses: Mapping[str, Any] | Sequence[str] | None = None,
    hooks: Sequence[str] = (),
    set: Changes = (),
    seed: int | None = None,
    plugin_dirs: Sequence[str | PathLike[str]] = (),
    out: str | PathLike[str] = "runs",
    backend: Backend = "ray",
    address: str = "local",
    device: Device = "auto",
    progress: Progress = True,
) -> Advice:
    """Plays a scenario with each of `defenses` at each of `hooks`, attacks what is published, and says which to take.

    All entities whose rows others read get the defense in turn. `defenses` are mappings of a defense by any name, or
    their kinds; unless given, those of the scenario and one of each kind. `hooks` are the scenario's own unless given;
    `["all"]` are all of its backbone. It takes the largest gain among those of which attacks got at most `leak`, by the
    upper end of the 95 % interval. Each is a run with `audit="quick"` in `out`, and is not played twice.

    >>> import collab
    >>> print(collab.advise("scenario.yaml", defenses=["none", "public_gaussian"], backend="inprocess", leak=0.2))
    Take ...

    Raises ScenarioError where nobody reads a pool, or for a defense or hook that there is not; what fails while it is
    played stands in its line of the table. BoundaryError if something private leaked.
    """
    asked = Scenario(scenario, set=set, seed=seed, plugin_dirs=plugin_dirs)
    publishers = _list_publishers(asked)
    named = _name(defenses)
    offers = []
    for hook in _list_hooks(asked, hooks):
        for name, defense in named.items():
            changes: dict[str, Any] = {} if hook == asked.model.hook else {"model.hook": hook}
            if name != AS_STATED:
                changes |= {f"entities.{publisher}.defense": defense for publisher in publishers}
            try:
                changed = Scenario(asked.changed(changes), audit="quick")
                played = run(changed, out=out, backend=backend, address=address, device=device, progress=progress)
            except BoundaryError:
                raise
            except CollabError as error:
                offers.append(Offer(name, hook, failed=str(error).splitlines()[0]))
            else:
                offers.append(weigh(played, name, hook, publishers))
    if all(offer.failed for offer in offers):
        raise ScenarioError("nothing could be played:\n" + "\n".join(dict.fromkeys(each.failed for each in offers)))
    return Advice(asked.name, leak, asked.data.main_metric.points, tuple(offers))


def weigh(played: "Run", defense: str, hook: str, publishers: Sequence[str]) -> Offer:
    """What a run with an audit says of the defense that `publishers` have in it.

    Whoever pre-trained is left out of what attacks got where others publish too: F and C know its images.
    """
    results = played.figures
    gains = [gain.points for gain in played.gains.values()]
    mean = add_figures([1 / len(gains) * gain for gain in gains]) if gains else None
    sizes = [results.find(PUBLISH, name, "bytes_published") for name in publishers]
    found = [each for each in list_got(played.scenario, played.attacks) if not is_of_weights(each.defense)]
    worst = max(found, key=lambda each: each.share.high or 0.0, default=None)
    published = sum(int(size.value or 0) for size in sizes if size is not None)
    count = len({(each.attack, each.by, each.adversary) for each in found})
    if worst is None:
        return Offer(defense, hook, mean, published)
    return Offer(defense, hook, mean, published, worst.share, name_attack(worst.attack, worst.by), count)


def _list_publishers(scenario: Scenario) -> list[str]:
    read = {name for row in scenario.refinements for name in row.pool}
    publishers = [each.name for each in scenario.entities if each.name in read and each.is_publishing_party]
    if not publishers:
        raise ScenarioError(
            "nobody reads a pool in this scenario, so that no defense can bring anything. Add a row to `refinements` "
            "with `own: features` and a `pool`."
        )
    return publishers


def _name(defenses: Mapping[str, Any] | Sequence[str] | None) -> dict[str, Any]:
    if defenses is None:
        return {AS_STATED: None, **DEFENSES}
    if isinstance(defenses, Mapping):
        return dict(defenses)
    return {name: DEFENSES[name] if name in DEFENSES else read_value(name) for name in defenses}


def _list_hooks(scenario: Scenario, hooks: Sequence[str]) -> list[str]:
    """Those that are asked for; `all` are those of the backbone, each place once."""
    own = scenario.model.hook
    if list(hooks) != ["all"]:
        return list(dict.fromkeys(hooks)) or [own]
    architecture = scenario.model.architecture
    if isinstance(architecture, str):
        architecture = ARCHITECTURES[architecture]
    by_place = {architecture.last_piece(hook): hook for hook in reversed(architecture.hooks)}
    return list(dict.fromkeys([own, *reversed(by_place.values())]))
