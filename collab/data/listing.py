"""What lies in the folder of a split: what has the name of an image, by class, and a count of all else."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from PIL import Image

from collab.data.words import make_readable, say_count, say_lines, say_names
from collab.errors import DataError

_LITTER = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "@eadir", "#recycle", "$recycle.bin", "lost+found",
           "system volume information", "__macosx"}  # fmt: skip
"""What systems and network drives leave in folders, in lower case; what begins with a dot is hidden and litter too."""

_HIDDEN = {".DS_Store", ".ipynb_checkpoints"}
"""Hidden names that are told, since they are nobody's; of others it is told that they are hidden."""

_WITHOUT_PIXELS = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
"""Formats of which Pillow alone reads the head: pixels need another program, another library, or Windows."""

_MEDICAL = (".dcm", ".dicom")
_ENDING = re.compile(r"\.[a-z0-9]{1,8}")


@cache
def list_endings() -> frozenset[str]:
    """The endings of files that Pillow or pydicom decode, in lower case with their dot."""
    kinds = Image.registered_extensions()
    pictures = (ending for ending, kind in kinds.items() if kind in Image.OPEN and kind not in _WITHOUT_PIXELS)
    return frozenset((*pictures, *_MEDICAL))


@dataclass
class Listing:
    """The classes of a split in alphabetical order, the file names of their images likewise, and what else is there.

    Passed over by class are files whose ending is no image's (`others`, by ending) and the number of `inner` folders;
    `loose` files lie in no folder of a class, `litter` is what is hidden or left by systems, by kind of name. `broken`
    are paths of what cannot be the folder of a class, and why.
    """

    folder: Path
    images: dict[str, list[str]] = field(default_factory=dict)
    others: dict[str, Counter[str]] = field(default_factory=dict)
    inner: dict[str, int] = field(default_factory=dict)
    loose: int = 0
    litter: Counter[str] = field(default_factory=Counter)
    broken: dict[Path, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many images there are."""
        return sum(map(len, self.images.values()))

    def notices(self, classes: Sequence[str]) -> Iterator[str]:
        """Sentences about what of this split is not played where its classes are `classes`: counts, no file names."""
        split = f"`{self.folder.name}`"
        present = [name for name in classes if name in self.images]
        if passed := sum((self.others[name] for name in present), Counter[str]()):
            yield (
                f"{say_count(passed.total(), 'file')} in {split} passed over: Pillow reads no image with such an "
                f"ending ({_say_counts(passed)})."
            )
        if inner := {name: self.inner[name] for name in present if self.inner[name]}:
            yield (
                f"{say_count(sum(inner.values()), 'folder')} inside classes of {split} not looked into "
                f"({say_names(inner)}): images lie directly in the folder of their class."
            )
        if self.litter:
            yield (
                f"{say_count(self.litter.total(), 'hidden or system entry', 'hidden or system entries')} in {split} "
                f"passed over ({_say_counts(self.litter)})."
            )
        if self.loose:
            yield f"{say_count(self.loose, 'file')} in {split} passed over: in no folder of a class."
        if unknown := {name: len(images) for name, images in self.images.items() if images and name not in classes}:
            yield (
                f"{say_count(sum(unknown.values()), 'image')} in {split} passed over: `train` has no such class "
                f"({say_names(unknown)})."
            )
        if empty := [name for name in present if not self.images[name]]:
            yield f"{split} has no image of class {say_names(empty)}: no figure says anything of it."


def list_folder(folder: Path) -> Listing:
    """What lies in `folder`; no file is opened. Raises DataError if it cannot be read itself."""
    listing = Listing(folder)
    try:
        entries = _read_entries(folder, listing.litter)
    except OSError as cause:
        raise DataError(f"the folder {make_readable(str(folder))} cannot be read: {cause.strerror}.") from cause
    for entry in entries:
        match _tell_kind(entry):
            case "folder":
                _list_class(listing, entry)
            case "file":
                listing.loose += 1
            case why:
                listing.broken[Path(entry.path)] = why
    return listing


def refuse_broken(listings: Sequence[Listing]) -> None:
    """Raises DataError for what cannot be the folder of a class, twenty of them by name."""
    broken = {path: why for listing in listings for path, why in listing.broken.items()}
    if broken:
        raise DataError(
            f"{say_count(len(broken), 'entry', 'entries')} of the image folders cannot be read. Repair or remove:"
            f"{say_lines(f'{path} {why}' for path, why in broken.items())}"
        )


def refuse_empty_classes(train: Listing) -> None:
    """Raises DataError with the classes that have a folder and no image in it, and what lies there instead."""
    empty = [name for name, images in train.images.items() if not images]
    if empty:
        raise DataError(
            f"{train.folder} has no image of class {say_names(empty)}. Put images there, or remove the folder:"
            f"{say_lines(f'{name}: {_say_contents(train, name)}' for name in empty)}"
        )


def _list_class(listing: Listing, folder: "os.DirEntry[str]") -> None:
    images, others, inner = list[str](), Counter[str](), 0
    try:
        entries = _read_entries(Path(folder.path), listing.litter)
        folder.name.encode()
    except OSError as cause:
        listing.broken[Path(folder.path)] = f"cannot be read: {cause.strerror}"
        return
    except UnicodeEncodeError:
        listing.broken[Path(folder.path)] = "has a name that is not UTF-8, and its class is called by it"
        return
    for entry in entries:
        ending = os.path.splitext(entry.name)[1].lower()
        if ending in list_endings():  # whatever it is: whoever decodes it says what is wrong, of all images at once
            images.append(entry.name)
        elif _tell_kind(entry) == "folder":
            inner += 1
        else:
            others[ending if _ENDING.fullmatch(ending) else "no ending"] += 1
    listing.images[folder.name], listing.others[folder.name], listing.inner[folder.name] = images, others, inner


def _read_entries(folder: Path, litter: Counter[str]) -> "list[os.DirEntry[str]]":
    """What lies in a folder, by name, but for `litter`, which is counted."""
    with os.scandir(folder) as entries:
        there = sorted(entries, key=lambda entry: entry.name)
    kinds = [_tell_litter(entry.name) for entry in there]
    litter.update(filter(None, kinds))
    return [entry for entry, kind in zip(there, kinds, strict=True) if not kind]


def _tell_litter(name: str) -> str:
    """What kind of litter has such a name; nothing for what somebody has put there. It names no file of an image."""
    if name[0] == ".":
        return name if name in _HIDDEN else "._*" if name.startswith("._") else ".*"
    return name if name.lower() in _LITTER else ""


def _tell_kind(entry: "os.DirEntry[str]") -> str:
    """`file`, `folder`, or why it is neither; links are followed."""
    try:
        if entry.is_file():
            return "file"
        if entry.is_dir():
            return "folder"
    except OSError as cause:
        return f"cannot be looked at: {cause.strerror}"
    return "is a link to what is not there" if entry.is_symlink() else "is neither a file nor a folder"


def _say_contents(train: Listing, name: str) -> str:
    parts = []
    if passed := train.others[name]:
        parts.append(f"{say_count(passed.total(), 'file')} that Pillow does not read ({_say_counts(passed)})")
    if inner := train.inner[name]:
        parts.append(f"{say_count(inner, 'folder')} inside, not looked into")
    return ", ".join(parts) or "empty"


def _say_counts(passed: Counter[str]) -> str:
    """Names with their counts, the most frequent first."""
    return say_names(dict(sorted(passed.items(), key=lambda pair: (-pair[1], pair[0]))))
