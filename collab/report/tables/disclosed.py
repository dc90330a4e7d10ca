"""Tables of what reconstructions give away beyond their mean distance."""

from collections.abc import Sequence

from collab.report.cells import Table, cell, percent, plain
from collab.results.catalog import Place, columns_in, entry_of
from collab.results.results import Results
from collab.results.table import Result
from collab.results.words import basis
from collab.scenario.model import Scenario

Columns = Sequence[tuple[str, str]]
"""Heads, and the metrics that stand under them."""


def likeness_table(scenario: Scenario, found: Results) -> Table:
    """How near reconstructions come by other distances, and how near the nearest come."""
    multi, ssim, lpips = (_stem(found, quantity) for quantity in ("ms_ssim", "ssim_max", "lpips"))
    has_pdist = _has(found, "pdist_poisoned")
    columns = _before_and_after(multi) + (_before_and_after("pdist") if has_pdist else [])
    columns += _before_and_after(lpips) if lpips else []
    columns += [
        (f"{entry_of(ssim).title}: median", f"{ssim}_poisoned_median"), ("95 %", f"{ssim}_poisoned_p95"),
        ("99 %", f"{ssim}_poisoned_p99"), ("worst", f"{ssim}_poisoned_worst"),
        ("above .5, %", f"{ssim}_poisoned_above_half"), *_placed("likeness", found),
    ]  # fmt: skip
    guesses = [
        f"{stem} {plain(row)}"
        for stem in (multi, ssim, "pdist")
        if (row := found.find("recognizer", "", f"{stem}_prior_class_mean")) is not None
    ]
    notes = (
        f"The released reconstructor on held-out images. {multi}: levels and window. SSIM*: {ssim} of poisoned "
        "features, of the image or its negative, whichever is more alike; 95 %: what 5 % of the images exceed.",
        "pdist: distance of the recognizer's activations, 0 for equal images; not LPIPS." if has_pdist else "",
        f"The mean image of the class, a guess from labels alone: {', '.join(guesses)}." if guesses else "",
        basis(_measured(found)),
    )
    return _table("Disclosure: how near reconstructions come", scenario, found, columns, notes)


def recognition_table(scenario: Scenario, found: Results) -> Table:
    """Whether reconstructions are found again among other images, and whether a network names what they show."""
    columns = list[tuple[str, str]]()
    if _has(found, "recognized_poisoned"):
        columns += [("named: original, %", "recognized_original"), ("poisoned", "recognized_poisoned")]
    for way, title in (("pixels", "rank 1"), ("embedding", "by embedding")):
        if _has(found, f"rank1[{way}]_poisoned"):
            columns += [
                (f"{title}: original, %", f"rank1[{way}]_original"), ("poisoned", f"rank1[{way}]_poisoned"),
                ("median rank", f"rank_median[{way}]_poisoned"),
            ]  # fmt: skip
    columns += _placed("recognition", found)
    notes = (_of_recognizer(found), _of_gallery(found), basis(_measured(found)))
    return _table("Disclosure: whether they are recognized", scenario, found, columns, notes)


def _of_recognizer(found: Results) -> str:
    seen = found.find("recognizer", "", "recognized_true")
    if seen is None:
        return ""
    guesses = (
        f"{name} {percent(found.find('recognizer', None, f'recognized_prior_{key}'))} %"
        for name, key in (("unrelated image", "unrelated"), ("mean image", "mean"), ("class mean", "class_mean"))
    )
    return (
        "named: an independent network, of no ResNet's form and unknown to defenses and attacks, names the class; "
        f"it names {percent(seen)} % of true images. Guesses: {', '.join(guesses)}."
    )


def _of_gallery(found: Results) -> str:
    sizes = {row.value for row in found.of("disclosure", quantity="gallery")}
    if not sizes:
        return ""
    size = max(value or 0 for value in sizes)
    if not _has(found, "rank1[pixels]_poisoned"):
        return f"Not looked up in a gallery: that needs 1,000 held-out images, and there are {size:,.0f}."
    return (
        f"Looked up among {size:,.0f} held-out images, by pixels and by the network's embedding; chance: "
        f"{100 / size:.1f} % at rank 1, median rank {(size + 1) / 2:,.0f}."
    )


def _table(title: str, scenario: Scenario, found: Results, columns: Columns, notes: tuple[str, ...]) -> Table:
    lines = []
    for entity in scenario.entities:
        rows = [found.find("disclosure", entity.name, metric) for _, metric in columns]
        if any(rows):
            lines.append((entity.name, entity.protection, *map(cell, rows)))
    return Table(title, ("entity", "defense", *(head for head, _ in columns)), tuple(lines), notes)


def _before_and_after(stem: str) -> list[tuple[str, str]]:
    return [(f"{entry_of(stem).title} original", f"{stem}_original"), ("poisoned", f"{stem}_poisoned")]


def _placed(place: Place, found: Results) -> Columns:
    heads = columns_in(place, (row.metric for row in found.of("disclosure")))
    return [(head, metric) for metric, head in heads.items()]


def _stem(found: Results, quantity: str) -> str:
    """A quantity with its setting, as the results of the run name it; nothing if there is none."""
    return next(
        (f"{quantity}[{name.setting}]" for name, _ in found.named("disclosure") if name.quantity == quantity), ""
    )


def _has(found: Results, metric: str) -> bool:
    return any(row.metric == metric for row in found.of("disclosure"))


def _measured(found: Results) -> list[Result]:
    return [row for row in found.of("disclosure") if row.metric != "gallery"]
