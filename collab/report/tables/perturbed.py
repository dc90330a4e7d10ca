"""Table 3: perturbations that learn nothing, the DPM, and a DPM behind each of them."""

from collab.papers import name_in_papers, paper_figure
from collab.report.cells import Table, plain, scaled
from collab.results.results import Results
from collab.results.table import Result
from collab.results.words import basis
from collab.scenario.model import Scenario
from collab.verdicts.papers.deep_poisoning import STATIONARY


def perturbation_table(scenario: Scenario, found: Results) -> Table:
    """Only where somebody perturbs in a way that learns nothing; else Tables 1 and 2 say all of it."""
    lines, measured, main = [], list[Result](), scenario.data.main_metric
    shown_metrics = ((main.name, main.head), *main.others)
    has_any = any(each.protection in STATIONARY for each in scenario.entities)
    for entity in scenario.entities if has_any else ():
        of_entity = {
            name.quantity: row
            for name, row in found.named("tables_1_2", entity.name)
            if (name.of, name.statistic) == ("poisoned", "")
            and (main.includes(name.quantity) or name.quantity in ("l1", "ssim"))
        }
        if of_entity:
            name = name_in_papers(entity.protection)
            printed, ssim = (paper_figure("dp_table3", name, metric) for metric in (main.name, "ssim"))
            shown = (
                *(scaled(of_entity.get(metric), main.scale) for metric, _ in shown_metrics),
                *(plain(of_entity.get(metric)) for metric in ("l1", "ssim")),
                "" if printed is None else f"{main.scale * printed:.1f}",
                "" if ssim is None else f"{ssim:.3f}",
            )
            lines.append((name, entity.name, *shown))
            measured += of_entity.values()
    columns = ("perturbation", "entity", *(head for _, head in shown_metrics), "L1", "SSIM")
    columns += (f"paper: {main.title}", "SSIM")
    note = (
        "C and R on perturbed features of held-out images. GN: noise, GF and MF: filters; +DPM: one trained behind the "
        "perturbation. paper: ImageNet; it does not state its strengths."
    )
    return Table("Table 3: perturbations, the DPM, and both", columns, tuple(lines), (note, basis(measured)))
