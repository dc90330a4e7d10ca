import pytest
import torch

from collab.errors import DataError
from collab.metrics.priors import class_mean_prior, guess_from_others, mean_image_prior, unrelated_prior
from collab.metrics.visual import l1


def numbered(*values: float) -> torch.Tensor:
    """Flat images, each of one value."""
    return torch.tensor(values, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 3, 2, 2).contiguous()


def test_mean_is_of_the_others() -> None:
    torch.testing.assert_close(mean_image_prior(numbered(0.0, 0.3, 0.9)), numbered(0.6, 0.45, 0.15))


def test_class_mean_is_of_the_others_of_the_class_or_else_of_all() -> None:
    guess = class_mean_prior(numbered(0.0, 0.2, 0.4, 0.9), torch.tensor([7, 7, 7, 3]))
    torch.testing.assert_close(guess, numbered(0.3, 0.2, 0.1, 0.2))


def test_an_image_has_no_part_in_its_own_prior() -> None:
    images, labels = torch.rand(12, 3, 4, 4), torch.arange(12) % 3
    other = images.clone()
    other[5] = 0
    for prior in (
        mean_image_prior,
        lambda x: class_mean_prior(x, labels),
        lambda x: unrelated_prior(x, torch.Generator().manual_seed(0)),
    ):
        torch.testing.assert_close(prior(images)[5], prior(other)[5])
        assert prior(images).shape == images.shape


def test_a_label_helps_where_classes_differ() -> None:
    labels = torch.arange(20) % 2
    images = (labels.view(-1, 1, 1, 1) * 0.8 + torch.rand(20, 3, 4, 4) * 0.2).float()
    assert l1(class_mean_prior(images, labels), images).mean() < l1(mean_image_prior(images), images).mean() / 3


@pytest.mark.parametrize("count", [2, 3, 50])
def test_unrelated_is_every_image_once_and_never_itself(count: int) -> None:
    images = numbered(*range(count))
    for seed in range(20):
        guess = unrelated_prior(images, torch.Generator().manual_seed(seed))
        assert not (guess == images).any()
        assert sorted(guess[:, 0, 0, 0].tolist()) == list(range(count))


def test_unrelated_depends_on_its_generator_alone() -> None:
    images = torch.rand(30, 3, 2, 2)
    drawn = [unrelated_prior(images, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_one_image_has_no_prior() -> None:
    for prior in (mean_image_prior, lambda x: unrelated_prior(x, torch.Generator())):
        with pytest.raises(DataError, match="at least two"):
            prior(numbered(0.5))


def test_who_has_other_images_guesses_their_means_and_never_what_is_asked_for() -> None:
    others = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 2, 2)
    asked = torch.tensor([0, 1, 7])
    guessed = guess_from_others(others, torch.tensor([0, 0, 1, 1]), asked, torch.Generator().manual_seed(0))
    assert [float(image.mean()) for image in guessed["mean"]] == [1.5, 1.5, 1.5]
    assert [float(image.mean()) for image in guessed["class_mean"]] == [0.5, 2.5, 1.5]  # of class 7 there is none
    assert {float(image.mean()) for image in guessed["unrelated"]} <= {0.0, 1.0, 2.0, 3.0}
    with pytest.raises(DataError, match="no other image to guess from"):
        guess_from_others(others[:0], asked[:0], asked, torch.Generator())
