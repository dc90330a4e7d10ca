"""Li et al., DeepObfuscator: its headline figures."""

from collab.verdicts.evidence import Evidence
from collab.verdicts.judging import ABOVE, Claim, Comparison, combine
from collab.verdicts.table import Setup, Table


def obfuscated_images_are_unlike(evidence: Evidence) -> Claim:
    """DeepObfuscator, headline: MS-SSIM of what R makes of obfuscated features is below half of that of plain ones."""
    ms_ssim = evidence.metric("ms_ssim[", otherwise="ms_ssim[5,11]_").rpartition("_")[0]
    found = [
        evidence.compare(
            f"{name}: less than half of the MS-SSIM from plain features",
            ("disclosure", name, f"{ms_ssim}_original"), ("disclosure", name, f"{ms_ssim}_poisoned"),
            ABOVE, times=2.0, is_points=False,
        )
        for name in evidence.protected_by("obfuscator")
    ]  # fmt: skip
    return Claim("rebuilt images are unlike", "MS-SSIM falls from .9458 to .3175 (abstract)", tuple(found))


def private_attributes_are_guessed(evidence: Evidence) -> Claim:
    """DeepObfuscator, headline: of what a reader knows beyond the more frequent answer, less than half is left."""
    found = []
    for name in evidence.protected_by("obfuscator"):
        plain, fixed, chance = (
            evidence.row(("inference", name, f"privacy_accuracy_{what}")) for what in ("plain", "fixed", "chance")
        )
        found.append(
            Comparison(
                f"{name}: the fixed reader keeps less than half of its lead over guessing",
                ABOVE,
                combine([(0.5, plain), (-1.0, fixed), (0.5, chance)]),
                is_points=True,
                missing=f"no accuracy of private attributes of {name}",
            )
        )
    return Claim(
        "private attributes are guessed", "accuracy of gender falls from 97.36 to 58.85 % (abstract)", tuple(found)
    )


TABLES = (
    Table(
        "do_headline",
        (obfuscated_images_are_unlike, private_attributes_are_guessed),
        Setup("celeba", ("vgg16_bn",), "pool2"),
    ),
)
