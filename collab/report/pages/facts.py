"""Small tables of the page that no paper has: the answer at a glance, figures beside the paper's, bytes, machine."""

from collections.abc import Mapping, Sequence
from typing import Any

from collab.report.cells import Table, plain
from collab.report.pages.summary import Summary
from collab.report.tables.crossings import Boundary
from collab.results.catalog import is_points
from collab.results.table import Result
from collab.results.words import basis, duration, signed, size
from collab.tasks import MainMetric


def at_a_glance(told: Summary, sent: Sequence[Boundary], main: MainMetric, reference: str) -> Table:
    """One line for each entity: what it gains over `reference`, what its features show, what it sends."""
    gains = {gain.entity: gain for gain in told.gains}
    shown = {each.entity: each for each in told.disclosures}
    has_attack = any(each.attack for each in told.disclosures)
    columns = (
        "entity", "gain", "without → with", "SSIM of plain", "of published", "worst image",
        *["of best attack"] * has_attack, *["verdict"] * bool(told.verdicts), "sent", "times raw",
    )  # fmt: skip
    lines = []
    for each in sent:
        gain, seen = gains.get(each.entity), shown.get(each.entity)
        lines.append(
            (
                each.entity,
                signed(gain.change, gain.main.scale) if gain else "—",
                " → ".join(f"{gain.main.scale * (row.value or 0):.1f}" for row in (gain.without, gain.with_pool))
                if gain
                else "—",
                plain(seen.original) if seen else "—",
                plain(seen.poisoned) if seen else "—",
                f"{seen.worst:.3f}" if seen and seen.worst is not None else "—",
                *[plain(seen.attack) if seen else "—"] * has_attack,
                *[told.verdicts.get(each.entity, "—")] * bool(told.verdicts),
                size(each.published) if each.published else "—",
                f"{each.factor:.1f}" if each.published else "—",
            )
        )
    notes = [
        f"gain: {main.points} (without → with, in {main.unit}) that the largest pool adds to {reference}; "
        "its interval takes both as independent, so that what is clear is clear.",
        "SSIM of the released reconstructor on held-out images (1: the same), from features as they are and "
        "as published; times raw: bytes sent for an image in sizes of its pixels.",
        "of best attack: the largest mean SSIM, of the image or its negative, that an attack on published rows has; "
        "verdict: the worst of all attacks, as in audit.html."
        if told.verdicts
        else "",
        basis([gain.with_pool for gain in told.gains] + [gain.without for gain in told.gains]),
    ]
    return Table("At a glance", columns, tuple(lines), tuple(filter(None, notes)))


def beside_the_paper(rows: Sequence[Result]) -> Table | None:
    """Every figure that has one of the paper's beside it."""
    known = [row for row in rows if row.paper is not None]
    if not known:
        return None
    lines = []
    for row in sorted(known, key=lambda row: (not row.row.isdecimal(), int(row.row) if row.row.isdecimal() else 0)):
        scale, digits = (100, 1) if is_points(row.metric) else (1, 3)
        ours = "—" if row.value is None else f"{scale * row.value:.{digits}f}"
        reach = (
            "—"
            if row.low is None or row.high is None
            else f"{scale * row.low:.{digits}f} to {scale * row.high:.{digits}f}"
        )
        theirs = f"{scale * (row.paper or 0):.{digits}f}"
        apart = "—" if row.value is None else f"{scale * (row.value - (row.paper or 0)):+.{digits}f}"
        lines.append((row.row, row.entity or "—", row.metric, ours, reach, theirs, apart, row.verdict or "none given"))
    columns = ("row", "entity", "metric", "here", "95 % interval", "paper", "difference", "verdict")
    return Table("Figures here and in the paper; shares in %", columns, tuple(lines), (basis(known),))


def not_measured(made: Sequence[Table]) -> list[str]:
    """What the papers tabulate and this run has no figures of."""
    titles = " ".join(table.title for table in made)
    wanted = {
        "Table 1": "Table 1 (equivalence for the task): no entity poisoned anything.",
        "Table 2": "Table 2 (reconstruction disparity): no entity poisoned anything.",
        "Table 3": "Table 3 (filters, alone and before a DPM): this scenario has no such defenses.",
        "Attacks": "Attacks: no entity of this scenario attacks what others published.",
    }
    return [f"Not measured: {told}" for title, told in wanted.items() if title not in titles]


def bytes_sent(sent: Sequence[Boundary]) -> Table:
    """Sent and received, beside the size of raw images and of JPEGs."""
    columns = (
        "entity", "images", "published", "for each image", "raw pixels of one", "times raw", "as JPEG", "times JPEG",
        "networks released", "reports", "read from others",
    )  # fmt: skip
    lines = tuple(
        (
            each.entity,
            f"{each.rows:,}",
            f"{each.published:,}",
            f"{each.each:,.0f}",
            f"{each.raw:,}",
            f"{each.factor:.1f}",
            f"{each.jpeg:,.0f}" if each.jpeg else "—",
            f"{each.each / each.jpeg:.1f}" if each.jpeg else "—",
            f"{each.released:,}",
            f"{each.reports:,}",
            f"{each.read:,}",
        )
        for each in sent
    )
    notes = (
        "From the ledger. Published: poisoned features and labels, for everybody. Raw pixels: uint8, uncompressed. "
        "JPEG: of quality 90, the mean of its first 256 images. Released: featurizer, decider, reconstructor. Reports: "
        "figures and losses that it told the driver. Read: shards of others, each counted once, however often read.",
    )
    return Table("Bytes that crossed each boundary", columns, lines, notes)


def environment(record: Mapping[str, Any]) -> Table:
    """Versions and machine; no paths, so that the page can be sent to anybody."""
    known = {
        "collab": record.get("collab"), "Python": record.get("python"), "torch": record.get("torch"),
        "computed on": record.get("compute"), "COLLAB_FAST_BF16": record.get("COLLAB_FAST_BF16"),
        "machine": " ".join(
            str(record[key]) for key in ("system", "machine") if record.get(key)
        ),
        "cores": record.get("cores"), "took": duration(record["seconds"]), "images from": record.get("source"),
    }  # fmt: skip
    lines = tuple((name, str(value)) for name, value in known.items() if value not in (None, ""))
    return Table("What it was played on", ("what", "value"), lines)


def stages(jobs: Mapping[str, Mapping[str, Any]]) -> Table:
    """Time and memory of each stage."""
    lines = tuple(
        (name, duration(job["seconds"]), size(job["peak_bytes"]), "yes" if job["cached"] else "")
        for name, job in jobs.items()
    )
    cached = sum(bool(job["cached"]) for job in jobs.values())
    total = duration(sum(job["seconds"] for job in jobs.values()))
    note = (
        f"{len(jobs)} stages, {total} of work in all; {cached} of them came from the cache, with the time that they "
        "once took. Memory: the largest that the process had needed by then."
    )
    return Table("Stages", ("stage", "time", "memory", "from the cache"), lines, (note,))


def copies(record: Mapping[str, Any]) -> tuple[str, ...]:
    """What a run said of images that stand twice."""
    return tuple(record.get("facts", {}).get("find copies", {}).values())


def refusals(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was refused in which job, and why; what attacks knew is told with them."""
    facts = record.get("facts", {}).items()
    return [
        (f"{job}: {name}", told) for job, each in facts for name, told in each.items() if name.startswith("refused")
    ]
