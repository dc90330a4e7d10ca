"""Which public images answers are about, and mixes of two that everybody makes alike."""

import numpy as np
import pytest
import torch
from torch import Tensor

from collab.participants.asking import Asked, choose_random, choose_unsure, with_mixes
from collab.seeding import Stream
from collab.store.shards import ShardReader, ShardSpec, open_shard, write_shard

IMAGES = 7


@pytest.fixture(scope="module")
def features() -> Tensor:
    return torch.randn(IMAGES, 2, 3, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def public(features: Tensor, tmp_path_factory: pytest.TempPathFactory) -> ShardReader:
    spec, folder = ShardSpec((2, 3, 3), "float32", 4, "f"), tmp_path_factory.mktemp("public")
    written = write_shard(folder, [(features, torch.arange(IMAGES) % 4)], entity="a1", spec=spec)
    return open_shard(written.path, written, spec)


def test_images_are_drawn_at_random_each_once_and_stand_in_their_order() -> None:
    chosen = choose_random(20, 50, Stream(0, "a2", "publish"))
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert chosen.tolist() != choose_random(20, 50, Stream(0, "a3", "publish")).tolist()
    assert choose_random(50, 50, Stream(0, "a2", "publish")).tolist() == list(range(50))


def test_the_least_sure_are_those_whose_outputs_lie_nearest_together() -> None:
    """Entropy falls as outputs are scaled up; a constant that is added to all of them changes nothing."""
    scales = torch.tensor([3.0, 0.5, 2.0, 1.0, 4.0])
    outputs = scales[:, None] * torch.tensor([[1.0, 0.2, -0.4]]) + torch.arange(5.0)[:, None]
    assert choose_unsure(2, outputs).tolist() == [1, 3]
    assert choose_unsure(5, outputs).tolist() == list(range(5))


def test_rows_are_the_images_then_mixes_with_a_partner_that_follows_from_the_number_alone(
    public: ShardReader, features: Tensor
) -> None:
    asked = Asked(public)
    torch.testing.assert_close(asked.take(np.arange(IMAGES)), features)
    for mix in (1, 2):
        partners = torch.from_numpy(Stream(0, "everybody", "mixes").numpy(str(mix)).permutation(IMAGES))
        torch.testing.assert_close(
            asked.take(np.arange(IMAGES) + mix * IMAGES), 0.5 * features + 0.5 * features[partners]
        )


def test_rows_are_the_same_in_any_order_and_company(public: ShardReader) -> None:
    asked, numbers = Asked(public), np.array([20, 3, 9, 0, 14])
    one_by_one = torch.cat([Asked(public).take(np.array([number])) for number in numbers])
    torch.testing.assert_close(asked.take(numbers), one_by_one, rtol=0, atol=0)


def test_numbers_of_mixes_ascend_as_a_shard_wants_them() -> None:
    assert with_mixes(torch.tensor([1, 4]), 0, IMAGES).tolist() == [1, 4]
    assert with_mixes(torch.tensor([1, 4]), 2, IMAGES).tolist() == [1, 4, 8, 11, 15, 18]
