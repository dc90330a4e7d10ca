"""The catalog of backbones and where each can be split; free of torch, so that a scenario is checked without it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """A backbone: blocks of each stage, numbered as in Table 1 of He et al. (VGG: its own), and the sides it takes."""

    blocks: tuple[int, ...]
    first_stage: int = 2
    first_block: int = 1  # densenet: 0, the map after the transition and before the first dense layer
    pools: bool = False
    sides: tuple[int, int] = (64, 512)
    tail: tuple[str, ...] = ()  # further pieces before the head, each of which is a hook

    @property
    def hooks(self) -> tuple[str, ...]:
        """All names at which the network can be split, shallow first; `convS` alone is the end of stage S."""
        names: list[str] = []
        for stage, count in enumerate(self.blocks, start=self.first_stage):
            names += [f"conv{stage}_{block}" for block in range(self.first_block, count + 1)]
            names += [f"conv{stage}"] + [f"pool{stage}"] * self.pools
        return (*names, *self.tail)

    @property
    def is_small(self) -> bool:
        """Whether it is ours, for small images, and its width is free."""
        return self.sides[1] < 512


_SMALL = (16, 64)
_POOLED = ("avgpool", "fc")

ARCHITECTURES = {
    "resnet8": Architecture((1, 1, 1), sides=_SMALL),
    "resnet14": Architecture((2, 2, 2), sides=_SMALL),
    "resnet20": Architecture((3, 3, 3), sides=_SMALL),
    "resnet18_small": Architecture((2, 2, 2, 2), sides=_SMALL),
    "resnet18_small_mlp": Architecture((2, 2, 2, 2), sides=_SMALL, tail=_POOLED),
    "vgg16_small": Architecture((2, 2, 3, 3, 3), first_stage=1, pools=True, sides=(32, 64)),
    "resnet18": Architecture((2, 2, 2, 2)),
    "resnet34": Architecture((3, 4, 6, 3)),
    "resnet50": Architecture((3, 4, 6, 3)),
    "resnet50_mlp": Architecture((3, 4, 6, 3), tail=_POOLED),
    "resnet101": Architecture((3, 4, 23, 3)),
    "resnext50_32x4d": Architecture((3, 4, 6, 3)),
    "densenet121": Architecture((6, 12, 24, 16), first_block=0),
    "vgg16_bn": Architecture((2, 2, 3, 3, 3), first_stage=1, pools=True),
}
RECONSTRUCTOR = r"^([pr])x([1-9])s(2|4)(-c)?$"
