"""Table 3: perturbations that learn nothing, the DPM, and a DPM behind each of them."""

from collab.report.cells import Found, Table, percent, plain
from collab.report.papers import named, paper_figure
from collab.report.words import basis
from collab.scenario.model import Scenario
from collab.store.results import Row

STATIONARY = ("gaussian_noise", "gaussian_filter", "mean_filter")


def perturbation_table(scenario: Scenario, found: Found) -> Table:
    """Only where somebody perturbs in a way that learns nothing; else Tables 1 and 2 say all of it."""
    lines, measured = [], list[Row]()
    has_any = any(each.protection in STATIONARY for each in scenario.entities)
    for entity in scenario.entities if has_any else ():
        of_entity = {
            metric.partition("_")[0].partition("[")[0]: row
            for (name, who, metric), row in found.items()
            if (name, who) == ("tables_1_2", entity.name)
            and metric.endswith("_poisoned")
            and metric.startswith(("top", "l1_", "ssim["))
        }
        if of_entity:
            name = named(entity.protection)
            top1, ssim = (paper_figure("dp_table3", name, metric) for metric in ("top1", "ssim"))
            shown = (
                *(percent(of_entity.get(metric)) for metric in ("top1", "top5")),
                *(plain(of_entity.get(metric)) for metric in ("l1", "ssim")),
                "" if top1 is None else f"{100 * top1:.1f}",
                "" if ssim is None else f"{ssim:.3f}",
            )
            lines.append((name, entity.name, *shown))
            measured += of_entity.values()
    columns = ("perturbation", "entity", "top-1 %", "top-5 %", "L1", "SSIM", "paper: top-1", "SSIM")
    note = (
        "C and R on perturbed features of held-out images. GN: noise, GF and MF: filters; +DPM: one trained behind the "
        "perturbation. paper: ImageNet; it does not state its strengths."
    )
    return Table("Table 3: perturbations, the DPM, and both", columns, tuple(lines), (note, basis(measured)))
