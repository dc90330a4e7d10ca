"""An entity that teaches its peers a mark: a malicious publisher (Gu et al., *BadNets*, 2017)."""

from typing_extensions import override

from collab.errors import EntityError
from collab.participants.backdoor import draw_marked, stamp
from collab.participants.entity import Entity
from collab.training.feeds import ImageSet

from . import options


class Backdoored(Entity):
    """Puts a mark into a corner of some of its images, and claims that they show a class of its choice.

    What it publishes is in the right format and mostly true, so that C gets no worse on images without the mark, and
    who tries its shard on images of its own (`vet: holdout`) finds nothing. Whoever refines on it answers that class
    to anything with the mark.
    """

    Options = options.Backdoored
    options: options.Backdoored

    @override
    def prepare(self, images: ImageSet) -> ImageSet:
        if self.options.target >= self.classes or images.groups is not None:
            raise EntityError(
                f"entity {self.name!r} wants images to be told for class {self.options.target}, and there are "
                f"{self.classes} classes, from 0. Choose another `target`; a backdoor needs a task of classes."
            )
        generator = self.stream("prepare").numpy("marked")
        marked = draw_marked(images.labels, self.options.target, self.options.fraction, generator)
        pixels, labels = images.images.copy(), images.labels.copy()
        pixels[marked] = stamp(pixels[marked])
        labels[marked] = self.options.target
        return ImageSet(pixels, labels)
