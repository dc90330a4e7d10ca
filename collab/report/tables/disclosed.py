"""Tables of what reconstructions give away beyond their mean distance."""

from collections.abc import Iterable, Mapping

from collab.report.cells import Table, fill_lines, format_cell
from collab.results.catalog import Place, columns_in, entry_of
from collab.results.results import Results
from collab.results.words import state_basis
from collab.scenario.model import Scenario

GUESSES = (("unrelated image", "unrelated"), ("mean image", "mean"), ("class mean", "class_mean"))
"""Guesses without features: what notes call them, and their names behind `_prior_`."""


def list_guesses(results: Results, row: str, stem: str) -> Iterable[str]:
    """What each guess scores by a metric, as `mean image 0.151 ±0.004`."""
    return (f"{title} {format_cell(results.find(row, None, f'{stem}_prior_{guess}'))}" for title, guess in GUESSES)


def tabulate_likeness(scenario: Scenario, results: Results) -> Table:
    """How near reconstructions come by other distances, and how near the nearest come."""
    multi, ssim, lpips = (_stem(results, quantity) for quantity in ("ms_ssim", "ssim_max", "lpips"))
    has_pdist = results.has("pdist_poisoned", "disclosure")
    heads = _before_and_after(multi) | (_before_and_after("pdist") if has_pdist else {})
    heads |= _before_and_after(lpips) if lpips else {}
    heads |= {
        f"{ssim}_poisoned_median": f"{entry_of(ssim).title}: median", f"{ssim}_poisoned_p95": "95 %",
        f"{ssim}_poisoned_p99": "99 %", f"{ssim}_poisoned_worst": "worst",
        f"{ssim}_poisoned_above_half": "above .5, %",
    }  # fmt: skip
    guesses = [
        f"{stem} {format_cell(result)}"
        for stem in (multi, ssim, "pdist")
        if (result := results.find("recognizer", "", f"{stem}_prior_class_mean")) is not None
    ]
    notes = (
        f"The released reconstructor on held-out images. {multi}: levels and window. SSIM*: {ssim} of poisoned "
        "features, of the image or its negative, whichever is more alike; 95 %: what 5 % of the images exceed.",
        "pdist: distance of the recognizer's activations, 0 for equal images; not LPIPS." if has_pdist else "",
        f"The mean image of the class, a guess from labels alone: {', '.join(guesses)}." if guesses else "",
    )
    return _table("Disclosure: how near reconstructions come", "likeness", scenario, results, heads, notes)


def tabulate_recognition(scenario: Scenario, results: Results) -> Table:
    """Whether reconstructions are found again among other images, and whether a network names what they show."""
    heads = dict[str, str]()
    if results.has("recognized_poisoned", "disclosure"):
        heads |= {"recognized_original": "named: original, %", "recognized_poisoned": "poisoned"}
    for space, title in (("pixels", "rank 1"), ("embedding", "by embedding")):
        if results.has(f"rank1[{space}]_poisoned", "disclosure"):
            heads |= {
                f"rank1[{space}]_original": f"{title}: original, %", f"rank1[{space}]_poisoned": "poisoned",
                f"rank_median[{space}]_poisoned": "median rank",
            }  # fmt: skip
    notes = (_explain_recognizer(results), _explain_gallery(results))
    return _table("Disclosure: whether they are recognized", "recognition", scenario, results, heads, notes)


def _explain_recognizer(results: Results) -> str:
    seen = results.find("recognizer", "", "recognized_true")
    if seen is None:
        return ""
    guesses = ", ".join(f"{guess} %" for guess in list_guesses(results, "recognizer", "recognized"))
    return (
        "named: an independent network, of no ResNet's form and unknown to defenses and attacks, names the class; "
        f"it names {format_cell(seen)} % of true images. Guesses: {guesses}."
    )


def _explain_gallery(results: Results) -> str:
    size = max((result.value or 0 for result in results.of("disclosure", quantity="gallery")), default=None)
    if size is None:
        return ""
    if not results.has("rank1[pixels]_poisoned", "disclosure"):
        return f"Not looked up in a gallery: that needs 1,000 held-out images, and there are {size:,.0f}."
    return (
        f"Looked up among {size:,.0f} held-out images, by pixels and by the network's embedding; chance: "
        f"{100 / size:.1f} % at rank 1, median rank {(size + 1) / 2:,.0f}."
    )


def _table(
    title: str, place: Place, scenario: Scenario, results: Results, heads: Mapping[str, str], notes: tuple[str, ...]
) -> Table:
    """A line for each entity; columns by metric with their `heads`, then those that the catalog places here."""
    measured = results.of("disclosure")
    heads = {**heads, **columns_in(place, (result.metric for result in measured))}
    lines, _ = fill_lines(results, "disclosure", ((entity, "", tuple(heads)) for entity in scenario.entities))
    rests_on = state_basis([result for result in measured if result.metric != "gallery"])
    return Table(title, ("entity", "defense", *heads.values()), lines, (*notes, rests_on))


def _before_and_after(stem: str) -> dict[str, str]:
    return {f"{stem}_original": f"{entry_of(stem).title} original", f"{stem}_poisoned": "poisoned"}


def _stem(results: Results, quantity: str) -> str:
    """A quantity with its setting, as the results of the run name it; nothing if there is none."""
    names = (name for name, _ in results.named("disclosure") if name.quantity == quantity)
    return next((f"{quantity}[{name.setting}]" for name in names), "")
