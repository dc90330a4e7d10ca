"""Li et al., DeepObfuscator: its headline figures."""

from collections.abc import Iterator

from collab.verdicts.evidence import Evidence
from collab.verdicts.judging import ABOVE, Comparison, combine
from collab.verdicts.table import Setup, Table, claim


@claim("rebuilt images are unlike", "MS-SSIM falls from .9458 to .3175 (abstract)")
def obfuscated_images_are_unlike(evidence: Evidence) -> Iterator[Comparison]:
    """DeepObfuscator, headline: MS-SSIM of what R makes of obfuscated features is below half of that of plain ones."""
    ms_ssim = evidence.metric("ms_ssim[", otherwise="ms_ssim[5,11]_").rpartition("_")[0]
    for name in evidence.protected_by("obfuscator"):
        expected = f"{name}: less than half of the MS-SSIM from plain features"
        original, poisoned = (("disclosure", name, f"{ms_ssim}_{state}") for state in ("original", "poisoned"))
        yield evidence.compare(expected, original, poisoned, ABOVE, times=2.0, is_points=False)


@claim("private attributes are guessed", "accuracy of gender falls from 97.36 to 58.85 % (abstract)")
def private_attributes_are_guessed(evidence: Evidence) -> Iterator[Comparison]:
    """DeepObfuscator, headline: of what a reader knows beyond the more frequent answer, less than half is left."""
    for name in evidence.protected_by("obfuscator"):
        plain, fixed, chance = (
            evidence.row(("inference", name, f"privacy_accuracy_{what}")) for what in ("plain", "fixed", "chance")
        )
        expected = f"{name}: the fixed reader keeps less than half of its lead over guessing"
        lead = combine([(0.5, plain), (-1.0, fixed), (0.5, chance)])
        missing = f"no accuracy of private attributes of {name}"
        yield Comparison(expected, ABOVE, lead, is_points=True, missing=missing)


TABLES = (
    Table(
        "do_headline",
        (obfuscated_images_are_unlike, private_attributes_are_guessed),
        Setup("celeba", ("vgg16_bn",), "pool2"),
    ),
)
