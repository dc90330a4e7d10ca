"""Table 3: perturbations that learn nothing, the DPM, and a DPM behind each of them."""

from collab.papers import name_in_papers, paper_figure
from collab.report.cells import Table, format_cell
from collab.results.results import Results
from collab.results.table import Result
from collab.results.words import state_basis
from collab.scenario.model import Scenario
from collab.verdicts.papers.deep_poisoning import STATIONARY


def tabulate_perturbations(scenario: Scenario, results: Results) -> Table:
    """Only where somebody perturbs in a way that learns nothing; else Tables 1 and 2 say all of it."""
    lines, measured, main = [], list[Result](), scenario.data.main_metric
    heads = dict([(main.name, main.head), *main.others, ("l1", "L1"), ("ssim", "SSIM")])
    has_any = any(entity.protection in STATIONARY for entity in scenario.entities)
    for entity in scenario.entities if has_any else ():
        scores = {quantity: results.like("tables_1_2", entity.name, quantity, "poisoned") for quantity in heads}
        if any(scores.values()):
            name = name_in_papers(entity.protection)
            printed, ssim = (paper_figure("dp_table3", name, metric) for metric in (main.name, "ssim"))
            lines.append(
                (
                    name,
                    entity.name,
                    *(format_cell(result, main.scale) for metric, result in scores.items() if main.includes(metric)),
                    *(format_cell(scores[metric]) for metric in ("l1", "ssim")),
                    "" if printed is None else f"{main.scale * printed:.1f}",
                    "" if ssim is None else f"{ssim:.3f}",
                )
            )
            measured += filter(None, scores.values())
    columns = ("perturbation", "entity", *heads.values(), f"paper: {main.title}", "SSIM")
    note = (
        "C and R on perturbed features of held-out images. GN: noise, GF and MF: filters; +DPM: one trained behind the "
        "perturbation. paper: ImageNet; it does not state its strengths."
    )
    return Table("Table 3: perturbations, the DPM, and both", columns, tuple(lines), (note, state_basis(measured)))
