"""Small tables of the page that no paper has: the answer at a glance, figures beside the paper's, bytes, machine."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from collab.report.cells import ABSENT, Table, format_cell
from collab.report.pages.summary import Summary
from collab.report.tables.crossings import Boundary
from collab.results.catalog import is_points
from collab.results.table import Result
from collab.results.words import format_duration, format_signed, format_size, state_basis
from collab.tasks import MainMetric


def tabulate_answers(summary: Summary, sent: Sequence[Boundary], main: MainMetric, reference: str) -> Table:
    """One line for each entity: what it gains over `reference`, what its features show, what it sends."""
    gains, local = ({gain.entity: gain for gain in found} for found in (summary.gains, summary.local))
    verdicts = summary.verdicts
    disclosures = {disclosure.entity: disclosure for disclosure in summary.disclosures}
    has_attack = any(disclosure.attack for disclosure in summary.disclosures)
    columns = (
        "entity", *["on own images"] * bool(local), "gain", "without → with", "SSIM of plain", "of published",
        "worst image", *["of best attack"] * has_attack, *["verdict"] * bool(verdicts), "sent", "times raw",
    )  # fmt: skip
    lines = []
    for boundary in sent:
        gain, shown = gains.get(boundary.entity), disclosures.get(boundary.entity)
        scores = [] if gain is None else [main.scale * (score.value or 0) for score in (gain.without, gain.with_pool)]
        original, poisoned, attack = (shown.original, shown.poisoned, shown.attack) if shown else (None, None, None)
        own = local.get(boundary.entity)
        line = [boundary.entity, *[format_signed(own.change if own else None, main.scale)] * bool(local)]
        line += [format_signed(gain.change if gain else None, main.scale)]
        line += [" → ".join(f"{score:.1f}" for score in scores) or ABSENT, format_cell(original), format_cell(poisoned)]
        line += [f"{shown.worst:.3f}" if shown and shown.worst is not None else ABSENT]
        line += [format_cell(attack)] * has_attack + [verdicts.get(boundary.entity, ABSENT)] * bool(verdicts)
        crossed = (format_size(boundary.published), f"{boundary.factor:.1f}")
        lines.append((*line, *(crossed if boundary.published else (ABSENT, ABSENT))))
    notes = [
        f"gain: {main.points} (without → with, in {main.unit}) that the largest pool adds to {reference}; "
        "its interval is over the same images in both, subtracted one by one.",
        "on own images: the same gain on held-out images of the entity's own source or classes." if local else "",
        "SSIM of the released reconstructor on held-out images (1: the same), from features as they are and "
        "as published; times raw: bytes sent for an image in sizes of its pixels.",
        "of best attack: the largest mean SSIM, of the image or its negative, that an attack on published rows has; "
        "verdict: the worst of all attacks, as in audit.html."
        if verdicts
        else "",
        state_basis([gain.with_pool for gain in summary.gains] + [gain.without for gain in summary.gains]),
    ]
    return Table("At a glance", columns, tuple(lines), tuple(filter(None, notes)))


def tabulate_printed(rows: Sequence[Result]) -> Table | None:
    """Every figure that has one of the paper's beside it; rows of the paper's numbers come in their order."""
    printed = [result for result in rows if result.paper is not None]
    if not printed:
        return None
    lines, last = [], math.inf
    for result in sorted(printed, key=lambda result: int(result.row) if result.row.isdecimal() else last):
        scale, form = (100, ".1f") if is_points(result.metric) else (1, ".3f")
        paper, figure = result.paper or 0.0, result.figure
        here = [ABSENT] * 3
        if figure is not None:
            here = [f"{scale * figure.value:{form}}", figure.format_ends(scale, form) or ABSENT]
            here += [f"{scale * (figure.value - paper):+{form}}"]
        value, interval, apart = here
        names = (result.row, result.entity or ABSENT, result.metric)
        lines.append((*names, value, interval, f"{scale * paper:{form}}", apart, result.verdict or "none given"))
    columns = ("row", "entity", "metric", "here", "95 % interval", "paper", "difference", "verdict")
    return Table("Figures here and in the paper; shares in %", columns, tuple(lines), (state_basis(printed),))


def list_unmeasured(made: Sequence[Table]) -> list[str]:
    """What the papers tabulate and this run has no figures of."""
    titles = " ".join(table.title for table in made)
    sentences = {
        "Table 1": "Table 1 (equivalence for the task): no entity poisoned anything.",
        "Table 2": "Table 2 (reconstruction disparity): no entity poisoned anything.",
        "Table 3": "Table 3 (filters, alone and before a DPM): this scenario has no such defenses.",
        "Attacks": "Attacks: no entity of this scenario attacks what others published.",
    }
    return [f"Not measured: {sentence}" for title, sentence in sentences.items() if title not in titles]


def tabulate_bytes(sent: Sequence[Boundary]) -> Table:
    """Sent and received, beside the size of raw images and of JPEGs."""
    columns = (
        "entity", "images", "published", "for each image", "raw pixels of one", "times raw", "as JPEG", "times JPEG",
        "networks released", "reports", "read from others",
    )  # fmt: skip
    lines = tuple(
        (
            boundary.entity, f"{boundary.rows:,}", f"{boundary.published:,}", f"{boundary.per_image:,.0f}",
            f"{boundary.raw:,}", f"{boundary.factor:.1f}",
            f"{boundary.jpeg:,.0f}" if boundary.jpeg else ABSENT,
            f"{boundary.per_image / boundary.jpeg:.1f}" if boundary.jpeg else ABSENT,
            f"{boundary.released:,}", f"{boundary.reports:,}", f"{boundary.read:,}",
        )
        for boundary in sent
    )  # fmt: skip
    notes = (
        "From the ledger. Published: poisoned features and labels, for everybody. Raw pixels: uint8, uncompressed. "
        "JPEG: of quality 90, the mean of its first 256 images. Released: featurizer, decider, reconstructor. Reports: "
        "figures and losses that it told the driver. Read: shards of others, each counted once, however often read.",
    )
    return Table("Bytes that crossed each boundary", columns, lines, notes)


def tabulate_environment(record: Mapping[str, Any]) -> Table:
    """Versions and machine; no paths, so that the page can be sent to anybody."""
    values = {
        "collab": record.get("collab"), "Python": record.get("python"), "torch": record.get("torch"),
        "computed on": record.get("compute"), "COLLAB_FAST_BF16": record.get("COLLAB_FAST_BF16"),
        "machine": " ".join(str(record[key]) for key in ("system", "machine") if record.get(key)),
        "cores": record.get("cores"), "took": format_duration(record["seconds"]), "images from": record.get("source"),
    }  # fmt: skip
    lines = tuple((name, str(value)) for name, value in values.items() if value not in (None, ""))
    return Table("What it was played on", ("what", "value"), lines)


def tabulate_stages(jobs: Mapping[str, Mapping[str, Any]]) -> Table:
    """Time and memory of each stage."""
    lines = tuple(
        (name, format_duration(job["seconds"]), format_size(job["peak_bytes"]), "yes" if job["cached"] else "")
        for name, job in jobs.items()
    )
    cached = sum(bool(job["cached"]) for job in jobs.values())
    total = format_duration(sum(job["seconds"] for job in jobs.values()))
    note = (
        f"{len(jobs)} stages, {total} of work in all; {cached} of them came from the cache, with the time that they "
        "once took. Memory: the largest that the process had needed by then."
    )
    return Table("Stages", ("stage", "time", "memory", "from the cache"), lines, (note,))


def list_refusals(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was refused in which job, and why; what attacks knew is told with them."""
    facts = record.get("facts", {}).items()
    return [
        (f"{job}: {name}", told) for job, each in facts for name, told in each.items() if name.startswith("refused")
    ]


def list_told_of_images(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Sentences about images that stages told of them: which do not decode and were left out, which stand twice."""
    facts = record.get("facts", {})
    left_out = [each["left out"] for job, each in facts.items() if job.startswith("decode ") and "left out" in each]
    return (*left_out, *facts.get("find copies", {}).values())
