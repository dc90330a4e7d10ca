"""What is known of each metric, once: what it means, how it is written, which way is better, where it stands.

Tables take heads, digits and scale from here, the comparison of runs its parts, and the dictionary in docs/results.md
is written from here (`python -m collab.results.catalog`).
"""

# ruff: noqa: E501  (a table: one metric, one line)

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from collab.metric import MetricName

WORDS: Mapping[str, str] = {
    "w": r"\d+(?:,\d+)?",
    "k": "1|5",
    "name": r"[^\[\]]+",
    "main": "top1|map|degrees",
    "number": r"\d+(?:\.\d+)?",
    "reader": "plain|fixed|fresh",
    "what": "original|poisoned",
    "guess": "unrelated|mean|class_mean",
}
"""What a word in braces stands for, as a regular expression; docs/results.md says it in words."""

Part = Literal["task", "images", "negatives", ""]
"""How well the task is done, how near images come, the same of their negatives, or none of these."""

Place = Literal[
    "equivalence", "reconstruction", "likeness", "recognition", "attacks", "decoders", "attributes", "inference",
    "published", "refinement", "",
]  # fmt: skip
"""The table in which a metric gets columns that nobody writes down.

Table 1, Table 2, the two of disclosure, that of attacks, the two of exposure by decoder and by attribute, that of
inference (a line for each quantity before its `_{reader}`), that of published images, or Table 5.
"""


@dataclass(frozen=True)
class Entry:
    """One metric. `quantity` may hold words in braces (`top{k}`), and stands with `setting` in brackets behind it.

    `forms` are what may follow: `_{what}`, `_prior_{guess}`, `_worst`. `better` says which way is better for the task,
    or discloses less. `scale` times the number is shown, to `digits` places. `is_share`: a part of 1, so that neither
    it nor an end of its interval leaves [0, 1]. `is_points`: a figure of the task, whose differences are told in
    points. `place` is the table where it gets columns of its own by its `title`, `also` another one.
    """

    quantity: str
    title: str
    meaning: str
    unit: str = ""
    better: Literal["up", "down", ""] = ""
    setting: str = ""
    forms: tuple[str, ...] = ("",)
    scale: float = 1.0
    digits: int = 3
    is_share: bool = False
    is_points: bool = False
    part: Part = ""
    place: Place = ""
    also: Place = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names that it has in results, with words in braces."""
        setting = f"[{self.setting}]" if self.setting else ""
        return tuple(f"{self.quantity}{setting}{form}" for form in self.forms)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What its quantities look like."""
        parts = re.split(r"\{(\w+)\}", self.quantity)
        return re.compile("".join(f"(?:{WORDS[part]})" if at % 2 else re.escape(part) for at, part in enumerate(parts)))


WHAT, GUESS, OPEN, PUBLISHED = "_{what}", "_prior_{guess}", "_open", "_published"
SPREAD = ("_median", "_p95", "_p99", "_worst", "_above_half")
OF_ATTACKS = ("", WHAT, GUESS, OPEN)
OF_TASKS = ("", WHAT, PUBLISHED, "_answering")
OF_MAIN = (*OF_TASKS, "_own", "_local", "_training")


def _share(quantity: str, title: str, meaning: str, better: Literal["up", "down", ""] = "down", *,
           setting: str = "", forms: tuple[str, ...] = ("",), is_points: bool = False, part: Part = "", place: Place = "") -> Entry:  # fmt: skip
    return Entry(quantity, title, meaning, "share", better, setting, forms, 100.0, 1, True, is_points, part, place)


_ENTRIES = (
    _share("top1", "top-1 %", "the right class is the first answer; of C on held-out features as they are and as they would be published, and on the entity's own rows as they are (`own`) and as it published them (row `publish`; Table 1); of a network from scratch on held-out images as they would be published (rows with `own: published`), and on those that it learned on; `answering`: of the decider that answers about public images; `local`: on held-out images of the entity's own kind, of its own source or else of its classes, where entities differ in that", "up", forms=OF_MAIN, is_points=True, part="task"),
    _share("top5", "top-5 %", "the right class is among the first 5 answers", "up", forms=OF_TASKS, is_points=True),
    Entry("map", "mAP %", "mean average precision over attributes", "0 to 1", "up", "", OF_MAIN, 100.0, 1, is_points=True, part="task"),
    Entry("mcc", "MCC %", "Matthews' correlation, mean over attributes, or of one attribute", "-1 to 1", "up", "", (*OF_TASKS, "[{name}]"), 100.0, 1, is_points=True, place="attributes"),
    Entry("degrees", "error °", "mean absolute error of a pose", "degrees", "down", "", OF_MAIN, 1.0, 1, part="task"),
    Entry("map_chance", "mAP % by chance", "mAP of who knows no image", "0 to 1", scale=100.0, digits=1, is_points=True),
    Entry("degrees_chance", "error ° by chance", "the error of who knows no image", "degrees", digits=1),
    _share("top{k}_round", "top %", "`top{k}` after that round of federated averaging", "up", setting="{number}", is_points=True),
    Entry("map_round", "mAP %", "`map` after that round", "0 to 1", "up", "{number}", ("",), 100.0, 1, is_points=True),
    Entry("mcc_round", "MCC %", "`mcc` after that round", "-1 to 1", "up", "{number}", ("",), 100.0, 1, is_points=True),
    Entry("degrees_round", "error °", "`degrees` after that round", "degrees", "down", "{number}", digits=1),
    Entry("gain", "gain", "how much better the row is than the better of `c_own` and `c_public`, those that were played; above 0 sharing helps, for errors too; `local` as above", "as the main metric", "up", "{main}", ("", "_local"), digits=1),
    Entry("rho", "ρ", "the part of what plain features of the pool bring beyond own ones alone that its poisoned features still bring; no value where plain ones clearly bring nothing", "of the way", "up", "{main}", digits=2),
    Entry("gap", "G", "label writing: how much better C reads the rows that an entity published than poisoned held-out ones", "as the main metric", "down", "{main}", digits=1),
    _share("agreement", "agreement", "answers to poisoned features that equal those to plain ones", "up", is_points=True, part="task"),
    Entry("kl", "KL", "divergence of the answers to poisoned features from those to plain ones", "nats", "down", place="equivalence"),
    Entry("deviation", "deviation °", "mean distance of both answers, of a pose", "degrees", "down", digits=1, part="task"),
    Entry("rows", "rows", "images that were trained on; that were published", "images", forms=("", PUBLISHED), digits=0),
    Entry("rows_from", "rows taken", "images taken from that peer", "images", setting="{name}", digits=0),
    Entry("refused", "refused", "shards of that peer that were refused", "shards", "down", "{name}", digits=0),
    Entry("harm", "harm", "how much more is wrong on own images with that peer's rows", "share or degrees", "down", "{name}", scale=100.0, digits=1, is_points=True),
    _share("backdoor", "backdoor, %", "held-out images of other classes that C calls as that peer claims, once they carry its mark (kind `backdoored`)", setting="{name}", place="refinement"),
    Entry("{main}_sd", "deviation", "standard deviation of it between repeats of a row", "as the main metric", forms=("", "_{what}", "_published")),
    Entry("{main}_client", "its own weights", "it of an entity's weights before they were averaged, after the last round of federated averaging that it took part in", "as the main metric"),
    Entry("repeats", "repeats", "how often a row was trained, each time in another order of the data", "count", digits=0),
    Entry("rounds", "rounds", "of federated averaging", "count", digits=0),
    Entry("images_left_out", "broken", "own images that do not decode, left out as `data.broken: skip` says", "images", "down", digits=0),
    Entry("heldout_left_out", "broken", "held-out images that do not decode, left out likewise", "images", "down", digits=0),
    Entry("public_left_out", "broken", "public images that do not decode, left out likewise", "images", "down", digits=0),
    Entry("bytes_sent", "sent", "sent in federated averaging: own weights, and averages by who makes them", "bytes", "down", digits=0),
    Entry("bytes_read", "read", "read in federated averaging: averages, or by who makes them the weights of all others", "bytes", "down", digits=0),
    Entry("bytes_published", "published", "size of what was published", "bytes", "down", digits=0),
    Entry("jpeg_bytes", "as JPEG", "size of one own image as JPEG of quality 90", "bytes", "down", digits=0),
    Entry("shards_withdrawn", "withdrawn", "shards that a leaver took back", "shards", digits=0),
    Entry("poison_loss", "loss", "last mean loss of the defense's training", "of its equation", "down"),
    Entry("poison_equivalence", "(DP-4)", "the first term of that loss: how far C's answers to what is published are from what it is to answer", "nats, or of the task", "down"),
    Entry("poison_disparity", "(DP-5)", "the second, before lambda: SSIM of R's images, as `ssim_loss` says", "of its equation", "down"),
    Entry("dp_epsilon", "ε", "ε of the differential privacy of what an entity publishes; its unit, its mechanism and what lies outside stand in the manifest", "nats", "down"),
    Entry("dp_epsilon_found", "ε found", "what an attack on members proves of ε at least, by Clopper-Pearson bounds of its rates; above `dp_epsilon` the guarantee does not hold", "nats", "down", digits=2),
    Entry("dp_delta", "δ", "δ of the same: the chance that ε does not hold", "probability", "down"),
    Entry("dp_sensitivity", "sensitivity", "how far one image moves what noise is added to (L2)", "of its mechanism"),
    Entry("dp_noise_multiplier", "noise", "deviation of the noise, in sensitivities", "sensitivities"),
    Entry("dp_steps", "steps", "how often noise was added", "count", digits=0),
    Entry("dp_sampling_rate", "sampled", "share of the own images that a step takes, each by chance", "share"),
    Entry("l1_public", "L1 of R", "last mean loss of R on public images", "pixel value, 0 to 1"),
    Entry("reconstructor_ssim", "SSIM of R", "of what the released R makes of an entity's own plain features, which it tries before it trains against R (row `reconstructor_tried`)", "-1 to 1", setting="{w}"),
    Entry("reconstructor_shows", "R beyond a guess", "the same less that of the mean of the other own images of the class; at 0 R shows nothing, and a module that fools it hides from nobody", "SSIM", setting="{w}"),
    Entry("reconstructor_shows_changed", "of changed features", "the same of features with noise of half of the deviation of their channel: an R that then shows less than .7 of it is brittle", "SSIM", setting="{w}"),
    Entry("reconstructor_l1", "L1 of R", "of the same images", "pixel value, 0 to 1"),
    Entry("reconstructor_l1_stated", "L1 as stated", "what the release says that it is on public images", "pixel value, 0 to 1"),
    Entry("l1", "L1", "mean absolute difference of rebuilt (or published) and true image", "pixel value, 0 to 1", "up", "", ("", WHAT, PUBLISHED, GUESS), part="images"),
    Entry("psnr", "PSNR, dB", "peak signal-to-noise ratio of the same", "dB", "down", "", ("", WHAT, PUBLISHED), digits=2),
    Entry("ssim", "SSIM", "structural similarity: 1 identical, 0 unlike, below 0 like the negative", "-1 to 1", "down", "{w}", ("", WHAT, PUBLISHED, GUESS), part="images"),
    Entry("ssim_max", "SSIM*", "the larger of SSIM with the image and with its negative; its median, percentiles and largest value over images; `above_half` is the **share of images** above .5, no SSIM", "-1 to 1; share", "down", "{w}", (*OF_ATTACKS, *SPREAD, *(f"{WHAT}{each}" for each in SPREAD)), part="negatives"),
    Entry("abs_ssim_map", "abs. map", "mean of the absolute SSIM map", "0 to 1", "down", "{w}", ("", WHAT)),
    Entry("ms_ssim", "MS-SSIM", "SSIM over several sizes", "0 to 1", "down", "{w}", OF_ATTACKS),
    Entry("pdist", "pdist", "distance in the recognizer's eyes; 0 is identical", "at least 0", "up", "", OF_ATTACKS),
    Entry("lpips", "LPIPS", "LPIPS; 0 is identical", "at least 0", "up", "{name}", OF_ATTACKS),
    _share("recognized", "named", "the recognizer names the class of rebuilt images", forms=OF_ATTACKS),
    _share("recognized_true", "named", "the recognizer names the class of true images", ""),
    Entry("leakage", "leakage", "0: what the best guess scores that looks at held-out images alone; 1: what `leaked_module` makes of plain features", "parts of the way", "down", "{name}"),
    _share("rank{k}", "rank 1, %", "the true image is among the first k of the gallery, by pixels or embedding", setting="{name}", forms=("", WHAT)),
    Entry("rank_median", "median rank", "median rank of the true image; 1 is first", "rank", "up", "{name}", ("", WHAT), digits=0),
    Entry("gallery", "gallery", "images that were looked among", "images", digits=0),
    _share("match_top{k}", "matched", "of attacked rows whose image is a candidate, the true one is among the first k"),
    Entry("match_rank_median", "median rank", "median rank of the true candidate; 1 is first", "rank", "up"),
    Entry("match_guesswork", "guesswork", "mean rank of the true candidate; 1 is first", "rank", "up"),
    Entry("match_chance", "by chance", "first by chance", "share"),
    _share("match_sure", "sure", "rows that the attack is sure of"),
    _share("match_sure_right", "sure and right", "of those, right ones"),
    Entry("membership_auc", "AUC", "members told from others: .5 is chance", "0 to 1", "down", is_share=True),
    _share("membership_tpr", "members found", "members found at so many % false alarms", setting="{number}"),
    Entry("label_distance", "class shares", "how far the told shares of the classes are from those of the own images, half of the sum of absolute differences; of the held-out images' as a guess", "0 to 1", "up", "", ("", "_prior_heldout"), digits=3),
    Entry("attribute_r2", "R²", "R² of brightness or color of the image; of a guess from labels", "at most 1", "down", "{name}", ("", "_prior_class_mean"), digits=2),
    _share("attribute_accuracy", "attributes, right %", "private attributes that an attack reads: right answers; of who answers as most held-out images, of the same class where rows tell it", forms=("", "_prior_heldout")),
    Entry("attribute_map", "attributes, mAP %", "the same: mean average precision; a guess ranks rows by their label, or by nothing", "0 to 1", "down", "", ("", "_prior_heldout"), 100.0, 1, is_points=True),
    _share("nearest_same", "of one individual, %", "rows whose nearest other row, of the same label where rows tell it, is of the same individual (or class), of those that have one"),
    _share("nearest_same_chance", "by chance", "of any other row of that label", ""),
    Entry("control", "control", "what an attack gains, in SSIM over a guess (or in right answers, R² or right neighbors, where it rebuilds no image), on a module of its own that it has not seen; near 0 the attack is broken, not the victim safe", "SSIM"),
    Entry("face_similarity", "face sim.", "cosine of the embeddings of a decoder's image (or a guess) and the true one", "-1 to 1", "down", "", ("[{name}]", GUESS), place="decoders"),
    Entry("feature_similarity", "feature sim.", "cosine of what is read from features and the embedding of the true image", "-1 to 1", "down", place="decoders"),
    Entry("decoded_ssim{number}", "SSIM", "SSIM of the same, by its window", "-1 to 1", "down", "{name}", place="decoders"),
    Entry("decoded_psnr", "PSNR, dB", "PSNR of the same", "dB", "down", "{name}", digits=2, place="decoders"),
    Entry("decoded_l1", "L1", "L1 of a fresh decoder's images", "pixel value, 0 to 1", "up", "{name}"),
    Entry("within_variance", "within", "variance of features within individuals", "of features", digits=2, place="decoders"),
    Entry("between_variance", "between", "variance of features between individuals", "of features", digits=2, place="decoders"),
    Entry("lda", "LDA", "between over within", "of features", "down", place="decoders"),
    _share("knn", "neighbors, %", "accuracy of the nearest features, for one attribute", "", setting="{name}", place="attributes"),
    _share("knn_chance", "guess, %", "accuracy of the more frequent answer", "", setting="{name}", place="attributes"),
    _share("privacy_map_{reader}", "private attributes, mAP %", "private attributes that are read: mAP", place="inference"),
    Entry("privacy_mcc_{reader}", "private attributes, MCC", "the same: MCC", "-1 to 1", "down"),
    _share("privacy_accuracy_{reader}", "private attributes, right %", "the same: right answers", place="inference"),
    _share("privacy_map_chance", "guess", "mAP of who knows no image", ""),
    _share("privacy_accuracy_chance", "guess", "right answers of who knows no image", ""),
    _share("identity_top1_{reader}", "who it is, top-1 %", "who is shown", place="inference"),
    _share("identity_top5_{reader}", "who it is, top-5 %", "who is shown is among the first 5 answers"),
    _share("identity_top1_chance", "guess", "who is shown, by chance", ""),
    Entry("vfe", "VFE", "visual feature entropy of images, the energy of their gradients", "squared pixel values", "up", "{w}", ("_original", PUBLISHED), digits=2),
    Entry("vfe_inner", "VFE", "the same without what a border of zeros adds", "squared pixel values", "up", "{w}", ("_original", PUBLISHED), digits=2),
    _share("is_saturated", "out of reach %", "images that no shuffling could make as hard to discern as was wanted", ""),
)  # fmt: skip

CATALOG: dict[str, Entry] = {entry.quantity: entry for entry in _ENTRIES}
"""Metrics by quantity, in the order of the dictionary."""

_OF_PLUGINS: dict[str, Entry] = {}


def add_entries(entries: Iterable[Entry]) -> None:
    """Makes metrics of plugins known in this process, from their classes or from the record of a run."""
    _OF_PLUGINS.update((entry.quantity, entry) for entry in entries)


def entry_of(metric: str) -> Entry:
    """What is known of a metric of results, such as `ssim[7]_poisoned`; of one of a plugin no more than its name."""
    quantity = MetricName.parse(metric).quantity
    for name in (metric, quantity):
        known = CATALOG.get(name) or next((each for each in CATALOG.values() if each.pattern.fullmatch(name)), None)
        if known is not None:
            return known
    return _OF_PLUGINS.get(quantity) or Entry(quantity, quantity, "")


def is_share(metric: str) -> bool:
    """Whether it is a part of 1, such as the rows that were matched or the images above an SSIM of .5."""
    statistic = MetricName.parse(metric).statistic
    return statistic == "above_half" or (entry_of(metric).is_share and not statistic)


def is_points(metric: str) -> bool:
    """Whether it is a figure of the task in percent, or a gain or loss in it: differences are told in points."""
    name = MetricName.parse(metric)
    return entry_of(name.setting if name.quantity in ("gain", "gap") else metric).is_points


def scale_and_digits(metric: str) -> tuple[float, int]:
    """How many times the number is shown, and to how many places; shares are shown in percent."""
    entry = entry_of(metric)
    return (100.0, 1) if MetricName.parse(metric).statistic == "above_half" else (entry.scale, entry.digits)


def columns_in(place: Place, metrics: Iterable[str]) -> dict[str, str]:
    """Those of `metrics` that get a column of their own in a table, and its head: `Sharpness poisoned`.

    They stand in the order of the catalog.
    """
    different = dict.fromkeys(metrics)  # few, of thousands of results: to find the entry of one takes long
    entries = {metric: entry for metric in different if place in ((entry := entry_of(metric)).place, entry.also)}
    order = [*CATALOG, *_OF_PLUGINS]
    heads = {}
    for metric in sorted(entries, key=lambda metric: order.index(entries[metric].quantity)):
        name = MetricName.parse(metric)
        heads[metric] = " ".join(filter(None, (entries[metric].title, name.of, name.statistic)))
    return heads


def dictionary(entries: Iterable[Entry] = CATALOG.values()) -> str:
    """The table of docs/results.md: every name, what it means, its unit, and which way is better."""
    lines = ["| metric | means | unit | better |", "|---|---|---|---|"]
    for entry in entries:
        names = ", ".join(f"`{name}`" for name in entry.names)
        lines.append(f"| {names} | {entry.meaning} | {entry.unit} | {entry.better} |")
    return "\n".join(lines)


BEGIN, END = "<!-- written by `python -m collab.results.catalog` -->", "<!-- end of what is written -->"
"""Around the dictionary in docs/results.md."""


def renew(page: Path) -> None:
    """Writes the dictionary into a page, between its marks."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    page.write_text(f"{before}{BEGIN}\n\n{dictionary()}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    renew(Path(__file__).parents[2] / "docs" / "results.md")
