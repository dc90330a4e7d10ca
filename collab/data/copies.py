"""Images that stand more than once: found by digests of their pixels, counted by who holds them, put into words."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from collab.data.source import BLOCK
from collab.errors import DataError
from collab.mapped import let_go

MOST_ALIKE = 0.9
"""Share of held-out images that are training images, or the other way round, above which nothing can be scored."""

MOST_NAMED = 8
"""Holders that a sentence names, those with the most copies."""

HELDOUT, VALIDATION, PUBLIC = "held-out", "validation", "public"


def digest_images(images: np.ndarray) -> list[bytes]:
    """The sha256 of each image of uint8 [n, 3, H, W]; equal ones belong to images that are equal in every pixel."""
    return [hashlib.sha256(image).digest() for block in read_blocks(images) for image in block]


@dataclass(frozen=True)
class Holder:
    """Images of an entity, or of the held-out or public set: row of the source, digest, whether it is one color."""

    rows: tuple[int, ...]
    digests: tuple[bytes, ...]
    is_blank: tuple[bool, ...]

    @classmethod
    def of(cls, rows: np.ndarray, blocks: Iterable[np.ndarray]) -> "Holder":
        """A look at each image of `blocks`, uint8 [some, 3, H, W] at a time, which come from these rows of a split."""
        digests, blank = list[bytes](), list[bool]()
        for block in blocks:
            digests += digest_images(block)
            blank += (block == block[:, :, :1, :1]).all(axis=(1, 2, 3)).tolist()
        return cls(tuple(rows.tolist()), tuple(digests), tuple(blank))

    @property
    def blanks(self) -> int:
        """How many images are of a single color."""
        return int(sum(self.is_blank))

    @property
    def pictures(self) -> list[tuple[int, bytes]]:
        """Row and digest of each image that is not of a single color."""
        images = zip(self.rows, self.digests, self.is_blank, strict=True)
        return [(row, digest) for row, digest, is_blank in images if not is_blank]

    @property
    def repeated(self) -> int:
        """How many different pictures it holds more than once."""
        return sum(count > 1 for count in Counter(digest for _, digest in self.pictures).values())


def refuse_test_split_of_training_images(entities: Mapping[str, Holder], heldout: Holder, name: str = HELDOUT) -> None:
    """Raises DataError if nearly all held-out images are training images, or nearly all training images held out.

    Of validation images likewise; `name` says which.
    """
    private = {digest for _, digest in _list_private(entities)}
    shown = {digest for _, digest in heldout.pictures}
    both = len(private & shown)
    for part, what in (
        (shown, f"{name} images are also private images of entities, which train on them"),
        (private, f"private images of entities are also {name} images"),
    ):
        if both > MOST_ALIKE * len(part):
            raise DataError(
                f"{both} of {len(part)} different {what}: the test split is a copy of the training split, or "
                f"nearly. Scores would tell what was learned by heart; at most {MOST_ALIKE:.0%} may be the same. "
                "Give the source other images to test on (another file in `data.test`, another folder `val` or `test`)."
            )


def describe_copies(
    entities: Mapping[str, Holder], heldout: Holder, public: Holder, validation: Holder | None = None
) -> dict[str, str]:
    """A sentence for each way in which images stand twice, by a short name; nothing where none does.

    An image that two entities hold because the scenario gives both the same row (`overlap`) is no copy. Images of a
    single color are counted by themselves, and in no other sentence. Counts only: no digest leaves this function.
    """
    private, sentences = _list_private(entities), dict[str, str]()
    scored = {HELDOUT: heldout} if validation is None else {HELDOUT: heldout, VALIDATION: validation}
    others = {**scored, PUBLIC: public}
    digests = {name: {digest for _, digest in holder.pictures} for name, holder in others.items()}
    reasons = dict.fromkeys(scored, "a score there says nothing about new images")
    reasons[PUBLIC] = "no secret, and part of what the reconstructor has learned from"
    for name, why in reasons.items():
        if count := sum(digest in digests[name] for _, digest in private):
            counts = {
                entity: sum(digest in digests[name] for _, digest in holder.pictures)
                for entity, holder in entities.items()
            }
            sentences[f"private, {name}"] = f"{_say(count, 'private ')} also {name} ({_rank(counts)}): {why}."
    for name, holder in scored.items():
        if count := sum(digest in digests[PUBLIC] for _, digest in holder.pictures):
            why = f"part of what the reconstructor has learned from, which flatters what it makes of {name} images"
            sentences[f"{name}, {PUBLIC}"] = f"{_say(count, f'{name} ')} also public: {why}."
    if validation and (count := sum(digest in digests[VALIDATION] for _, digest in heldout.pictures)):
        why = "what is chosen by looking at them has been chosen for these too"
        sentences[f"{HELDOUT}, {VALIDATION}"] = f"{_say(count, 'held-out ')} also among the validation images: {why}."
    if pairs := _pair(entities):
        count = len({digest for digest, _ in pairs})
        by_pair = Counter(f"{one} and {other}" for _, (one, other) in pairs)
        sentences["of several entities"] = (
            f"{_say(count)} held by several entities ({_rank(by_pair)}): matching cannot tell them apart, and what "
            "one of them gives away is given away for all."
        )
    repeated = {name: holder.repeated for name, holder in {**entities, **scored}.items()}
    if count := sum(repeated.values()):
        images = "images stand" if count > 1 else "image stands"
        sentences["in one set"] = (
            f"{count} {images} more than once in one set ({_rank(repeated)}): each "
            "counts as often in training and scores, and matching cannot tell them apart."
        )
    blanks = {name: holder.blanks for name, holder in {**entities, **others}.items()}
    if count := sum(blanks.values()):
        why = "counted nowhere else here: there is nothing on them to learn, to hide or to rebuild"
        sentences["single color"] = f"{_say(count)} of a single color ({_rank(blanks)}), {why}."
    return sentences


def _list_private(entities: Mapping[str, Holder]) -> list[tuple[int, bytes]]:
    """Row and digest of all that entities hold together; a row that several hold stands here once."""
    return list(dict(picture for holder in entities.values() for picture in holder.pictures).items())


def _pair(entities: Mapping[str, Holder]) -> list[tuple[bytes, tuple[str, str]]]:
    """Pictures that two entities hold in different rows, with the names of both."""
    holders = Counter(digest for holder in entities.values() for digest in {digest for _, digest in holder.pictures})
    rows_of: dict[bytes, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for name, holder in entities.items():
        for row, digest in holder.pictures:
            if holders[digest] > 1:  # of a million images few are
                rows_of[digest][name].add(row)
    return [
        (digest, (one, other))
        for digest, rows in rows_of.items()
        for one, other in combinations(rows, 2)
        if len(rows[one] | rows[other]) > 1
    ]


def _say(count: int, kind: str = "") -> str:
    return f"{count} {kind}{'images are' if count > 1 else 'image is'}"


def _rank(counts: Mapping[str, int]) -> str:
    """The holders with the most, and how many others there are: `a1: 3, a2: 1`."""
    holders = Counter({name: count for name, count in counts.items() if count}).most_common()
    texts = [f"{name}: {count}" for name, count in holders[:MOST_NAMED]]
    return ", ".join([*texts, f"and {len(holders) - MOST_NAMED} more"] if len(holders) > MOST_NAMED else texts)


def read_blocks(images: np.ndarray) -> Iterator[np.ndarray]:
    """`images`, which may be mapped and not read, some at a time."""
    for start in range(0, len(images), BLOCK):
        yield np.ascontiguousarray(images[start : start + BLOCK])
        let_go(images)
