"""The name of a metric, taken apart."""

import pytest

from collab.metric import MetricName
from collab.results.catalog import is_share


@pytest.mark.parametrize(
    ("name", "parts", "is_a_share", "is_plain"),
    [
        ("ssim_max[11]", ("ssim_max", "11", "", ""), False, True),
        ("ssim_max[11]_above_half", ("ssim_max", "11", "", "above_half"), True, False),
        ("ssim_max[7]_poisoned_worst", ("ssim_max", "7", "poisoned", "worst"), False, False),
        ("ssim_max[7]_open", ("ssim_max", "7", "open", ""), False, False),
        ("ssim[7]_prior_class_mean", ("ssim", "7", "prior_class_mean", ""), False, False),
        ("ms_ssim[2,7]_original", ("ms_ssim", "2,7", "original", ""), False, False),
        ("rank_median[pixels]_poisoned", ("rank_median", "pixels", "poisoned", ""), False, False),
        ("rank1[embedding]", ("rank1", "embedding", "", ""), True, True),
        ("attribute_r2[red]", ("attribute_r2", "red", "", ""), False, True),
        ("pdist_prior_unrelated", ("pdist", "", "prior_unrelated", ""), False, False),
        ("leakage[ssim_max]", ("leakage", "ssim_max", "", ""), False, True),
        ("top1_poisoned", ("top1", "", "poisoned", ""), True, False),
        ("match_top1", ("match_top1", "", "", ""), True, True),
        ("membership_auc", ("membership_auc", "", "", ""), True, True),
        ("odd[a]_other", ("odd[a]_other", "", "", ""), False, True),
    ],
)
def test_the_parts_of_a_name(name: str, parts: tuple[str, ...], is_a_share: bool, is_plain: bool) -> None:
    found = MetricName.parse(name)
    assert (found.quantity, found.setting, found.of, found.statistic) == parts
    assert (is_share(name), found.is_plain) == (is_a_share, is_plain)


def test_a_name_without_its_setting() -> None:
    names = ("ssim[11]_poisoned", "ssim_max[7]_poisoned_worst", "top1", "rank_median[pixels]")
    told = [MetricName.parse(name).without_setting for name in names]
    assert told == ["ssim_poisoned", "ssim_max_poisoned_worst", "top1", "rank_median"]
