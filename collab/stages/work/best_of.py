"""The oracle takes of each image the answer that is nearest to it, and draws all answers side by side."""

import numpy as np
import torch
from PIL import Image

from collab.metrics.visual import ssim, ssim_max, ssim_window
from collab.participants.attacking import guess_name
from collab.participants.disclosure import comparison_measures, to_uint8
from collab.participants.oracle import Oracle
from collab.participants.scoring import PICTURES, means, worst_and_median
from collab.stages.base import Job, Playing
from collab.stages.best_of import BEST_OF
from collab.store.pictures import compared_file, judged_file
from collab.store.private import private_folder
from collab.store.release import read_release
from collab.training.progress import Progress
from collab.types import Report


def play(oracle: Oracle, job: Job, playing: Playing, progress: Progress, /) -> Report:
    """SSIM of the best answer to each image, and how it is spread; the sheet lies in the oracle's private folder."""
    trials, victim = job.order, str(job.victim)
    answers = [
        read_release(private_folder(oracle.layout.run, trial.attacker), guess_name(trial.attack.label, victim))[0]
        for trial in trials
    ]
    rebuilt = [answer["images"].to(oracle.compute.device).float() / 255 for answer in answers]
    count = min(map(len, rebuilt))
    rows = oracle.published_rows(victim)[:count]
    truth = oracle.images_at(rows)
    images = truth.take(np.arange(count), oracle.compute.device)
    window, seed = ssim_window(images.shape[-1])[0], oracle.scenario.seed
    likeness, either = (
        torch.stack([metric(answer[:count], images).double().cpu() for answer in rebuilt])
        for metric in (ssim, ssim_max)
    )
    worst, _ = worst_and_median(either.amax(0).numpy())
    nearest = torch.stack([rebuilt[int(either[:, row].argmax())][row] for row in worst])
    pictures = np.stack([to_uint8(images[torch.from_numpy(worst)]), to_uint8(nearest)])
    np.save(oracle.private / judged_file(trials[0].attacker, BEST_OF, victim), pictures)
    shown = torch.from_numpy(np.argsort(rows, kind="stable")[:PICTURES])  # the same for all who hold the same images
    sheet = draw_sheet([to_uint8(part[shown]) for part in (images, *rebuilt)])
    Image.fromarray(sheet).save(oracle.private / compared_file(trials[0].attacker, victim))
    return Report(
        (
            *means({f"ssim[{window}]": likeness.amax(0)}, seed),
            *comparison_measures({f"ssim_max[{window}]": either.amax(0)}, seed),
        )
    )


def draw_sheet(lines: list[np.ndarray], gap: int = 2) -> np.ndarray:
    """Lines of images, uint8 [n, 3, side, side] each, as one picture [height, width, 3] with white between them."""
    rows, (count, _, side, _) = len(lines), lines[0].shape
    step = side + gap
    sheet = np.full((rows * step + gap, count * step + gap, 3), 255, dtype=np.uint8)
    for row, line in enumerate(lines):
        for column, image in enumerate(line):
            top, left = gap + row * step, gap + column * step
            sheet[top : top + side, left : left + side] = image.transpose(1, 2, 0)
    return sheet
