"""Where the images of a scenario come from: one part for each source, which says what opens it and what it tells."""

from collections.abc import Mapping
from functools import cache, reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    Field,
    FiniteFloat,
    SerializeAsAny,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
)

from collab.scenario.base import ClassName, Kind, Part
from collab.tasks import TASKS, MainMetric

Told = Literal["attributes", "pose", "identities"]
"""What a source may tell of an image besides its class; `collab.data.targets` says with which methods."""

_ANSWERS = "; ".join(f"`{kind}`, {about.answers}" for kind, about in TASKS.items())


_ABOUT_NAMES = (
    "Other names for classes of this source: `{Cat: cat, cats: cat}`. Classes that get one name are one class."
)
_ABOUT_GROUP = (
    "With `hold_out`: images of one group are all held out, or none. A column of the source, `identity` where it knows "
    "whom images show, or a regular expression that is looked for in file names (`patient(\\d+)`)."
)
HoldOut = Annotated[float, Field(gt=0, le=0.5)]


class OwnSource(Part):
    """A source beside the one that is dealt: an entity's own, that of the public set, or of the held-out images."""

    part: "ClassVar[type[Data]]"
    """What it is where it is the source that is dealt."""

    class_names: Mapping[ClassName, ClassName] = Field({}, description=_ABOUT_NAMES)
    hold_out: HoldOut | None = Field(
        None,
        description="Of an entity's source without a test split: so large a share of each class is held out; that of "
        "`data` unless given.",
    )
    group: str | None = Field(None, min_length=1, description=f"{_ABOUT_GROUP} That of `data` unless given.")
    source: Kind = Field(description="The source plugin.")

    @property
    def opened_by(self) -> str:
        """The class that reads these images, as `module:Class`."""
        return self.part.opens[self.source]

    @property
    def is_drawn(self) -> bool:
        """Whether its images are drawn, so that figures from them say nothing about photographs."""
        return self.part.is_drawn

    def source_options(self) -> dict[str, Any]:
        """What that class takes besides image size and seed."""
        return {name: getattr(self, name) for name in type(self).model_fields if name not in OwnSource.model_fields}

    def __reduce__(self) -> Any:
        return _own_source_of, (self.part, dict(self))  # a pickle finds no class that is made here by its name


class Data(Part):
    """What every source has; the options of a plugin subclass it."""

    opens: ClassVar[Mapping[str, str]] = {}
    """For each `source` that has this part, the class that reads it, as `module:Class`; a plugin fills it in."""
    tells: ClassVar[tuple[Told, ...]] = ()
    """What it tells of an image besides its class."""
    is_drawn: ClassVar[bool] = False
    """Whether its images are drawn, so that figures from them say nothing about photographs."""

    image_size: int = Field(
        32, ge=16, le=512, description="Side of the square images, in pixels; time and disk grow with its square."
    )
    private_classes: Literal["half"] | tuple[ClassName, ...] = Field(
        "half",
        description="Private classes S: a seeded random half, or names; the rest is the public set Q, unless that is a "
        "source of its own (`public`): then all are private that are not left out by name.",
    )
    class_names: Mapping[ClassName, ClassName] = Field({}, description=_ABOUT_NAMES)
    public: "AnyOwnSource | None" = Field(
        None,
        description="A source of its own for the public set Q, all of whose images are public; every class of the "
        "parties is private then, unless `private_classes` names some.",
    )
    heldout: "AnyOwnSource | None" = Field(
        None, description="A source of its own for the held-out images, one for all; of private classes they are taken."
    )
    hold_out: HoldOut | None = Field(
        None,
        description="Of sources without a test split, the one that is dealt and each entity's own: so large a share of "
        "each private class is held out, drawn by the seed; one image at least and never all.",
    )
    group: str | None = Field(None, min_length=1, description=_ABOUT_GROUP)
    broken: Literal["refuse", "skip"] = Field(
        "refuse",
        description="What is done about images that do not decode: nothing is played before all of them are mended, or "
        "they are left out, counted in the report and in the results.",
    )
    task: Literal[tuple(TASKS)] = Field(  # type: ignore[valid-type]
        "classification", description=f"What the network answers: {_ANSWERS}."
    )
    utility_attributes: Annotated[tuple[str, ...], Field(min_length=1)] | None = Field(
        None, description="For `task: attributes`: those that it answers, the first half unless given (CelebA: 20)."
    )
    private_attributes: Annotated[tuple[str, ...], Field(min_length=1)] | None = Field(
        None, description="Attributes to be hidden; for `task: attributes` the last half unless given."
    )
    public_images: int | None = Field(
        None,
        ge=2,
        description="At most so many images of Q for the reconstructor, all unless given; its time grows with them.",
    )
    test_images: int | None = Field(
        None,
        ge=2,
        description="At most so many held-out images of the private classes, all unless given; fewer widen intervals.",
    )
    validation: int | None = Field(
        None,
        ge=2,
        description="So many images of the private classes, of the source's test split, are set apart for choices that "
        "are made by looking (rates, strengths, ranks): no entity has them, and they are not held out.",
    )
    seed: int | None = Field(
        None,
        ge=0,
        lt=2**63,
        description="What is drawn of the data follows from it: classes, subsets, held-out images, drawn pictures; the "
        "scenario's `seed` unless given. Held fixed while `seed` varies, it shows what training alone varies by.",
    )
    score_on: Literal["heldout", "validation"] = Field(
        "heldout",
        description="validation: everything is scored on those in place of the held-out images, and nothing is judged; "
        "`--on validation` is short for it. Choose there, then look at the held-out images once.",
    )
    source: Kind = Field(description="The source plugin.")

    @property
    def is_for_choosing(self) -> bool:
        """Whether a run is scored on validation images, so that nothing may be concluded from it."""
        return self.score_on == "validation"

    @property
    def main_metric(self) -> MainMetric:
        """The figure that says how well the task is done."""
        return TASKS[self.task].main

    @property
    def opened_by(self) -> str:
        """The class that reads these images, as `module:Class`."""
        return self.opens[self.source]

    def source_options(self) -> dict[str, Any]:
        """What that class takes besides image size and seed."""
        return {name: getattr(self, name) for name in type(self).model_fields if name not in Data.model_fields}


class Creatures(Data):
    """Drawn animal-like faces; no download, any number."""

    opens: ClassVar = {"creatures": "collab.data.creatures:Creatures"}
    tells = ("attributes", "pose", "identities")
    is_drawn = True
    source: Literal["creatures"] = Field(description="Drawn images.")
    classes: int = Field(20, ge=4, le=1000, description="Species.")
    train: int = Field(12_000, ge=8, description="Training images of all species; drawing them takes time.")
    test: int = Field(2_000, ge=4, description="Test images of all species.")


Files = str | Annotated[tuple[str, ...], Field(min_length=1)]
"""Names, patterns and folders of files, relative to a root."""


def _check_window(window: tuple[float, float]) -> tuple[float, float]:
    if not window[0] < window[1]:
        raise ValueError(f"must be [black, white] with the smaller value first (got {list(window)})")
    return window


_Values = Annotated[tuple[FiniteFloat, FiniteFloat], AfterValidator(_check_window)]
Window = Annotated[
    _Values | None,
    Field(
        description="Gray values that become black and white, for images of more than 8 bits; unless given, what the "
        "file says, or its full range."
    ),
]


class Parquet(Data):
    """Images and labels in Parquet files, as public hubs keep them."""

    opens: ClassVar = {"parquet": "collab.data.parquet:ParquetFiles"}
    source: Literal["parquet"] = Field(description="Parquet files.")
    root: str = Field(description="Folder of the files, relative to this file.")
    train: Files = Field(
        "train.parquet",
        description="Files of training images: a name, a pattern (`data/train-*.parquet`), a folder, or a list.",
    )
    test: Files | None = Field(
        "test.parquet",
        description="Files of other images, which are held out, likewise; null if there are none, with `hold_out`.",
    )
    image: str = Field(
        "image",
        description="Column of images: encoded, plain or as a struct with `bytes`; or files beside the Parquet file, "
        "as a text or as a struct with `path`.",
    )
    label: str = Field(
        "label",
        description="Column of labels: numbers, which `ClassLabel` in the metadata names, or texts, categories, "
        "true and false.",
    )
    window: Window = None


class Hub(Data):
    """A data set that the package `datasets` reads (`pip install 'collab[hf]'`): of a hub, or in a folder."""

    opens: ClassVar = {"hub": "collab.data.hub:HubSet"}
    source: Literal["hub"] = Field(description="A data set that `datasets` reads.")
    url: str | None = Field(
        None,
        pattern=r"^hf://\w[\w.-]*/\w[\w.-]*@[\w./-]+$",
        description="`hf://owner/name@revision`: fetched, unless it is in the cache of `datasets`.",
    )
    root: str | None = Field(
        None, description="In place of `url`: a folder that `save_to_disk` wrote, relative to this file."
    )
    config: str | None = Field(None, description="Configuration, where the set has several.")
    train: str = Field("train", description="Split of training images.")
    test: str | None = Field("test", description="Split of held-out images; null if there is none, with `hold_out`.")
    image: str = Field("image", description="Column of images.")
    label: str = Field("label", description="Column of labels: `ClassLabel`, or what `source: parquet` takes.")
    window: Window = None


class WebDataset(Data):
    """Tar files as WebDataset keeps them: members of one name are a sample, `0001.jpg` and `0001.cls`."""

    opens: ClassVar = {"webdataset": "collab.data.webdataset:WebDataset"}
    source: Literal["webdataset"] = Field(description="Tar files of samples.")
    root: str = Field(description="Folder of the files, relative to this file.")
    train: Files = Field(
        description="Files of training images: a name, a range (`a-{000..009}.tar`), a pattern, a folder, or a list."
    )
    test: Files | None = Field(
        description="Files of held-out images, likewise; null if there are none, with `hold_out`."
    )
    image: str | None = Field(
        None, description="Ending of the member that is the image; unless given, the one that is an image's."
    )
    label: str = Field(
        "cls", description="Member with the label: `cls`, or `json.KEY`, the value of KEY in the member `json`."
    )
    window: Window = None


class ImageList(Data):
    """Lists of images, as CSV or Parquet: a column of paths and one of labels."""

    opens: ClassVar = {"list": "collab.data.image_lists:ImageLists"}
    source: Literal["list"] = Field(description="Lists of images.")
    root: str = Field(description="Folder of lists and images, relative to this file.")
    train: Files = Field(
        "train.csv", description="Lists of training images, CSV or Parquet: a name, a pattern, a folder, or several."
    )
    test: Files | None = Field(
        "test.csv", description="Lists of held-out images, likewise; null if there are none, with `hold_out`."
    )
    images: str = Field(
        "{}",
        pattern=r"^[^{}]*\{\}[^{}]*$",
        description="Where an image lies, relative to `root`: `{}` is what the column of paths holds. "
        "`photos/{}.jpg`, if that is a name without its folder and ending.",
    )
    image: str = Field("image", description="Column of paths.")
    label: str = Field("label", description="Column of labels, texts; in Parquet whatever `source: parquet` takes.")
    window: Window = None


class ImageFolder(Data):
    """`root/train/<class>/*` and `root/val/<class>/*` or `root/test/<class>/*`; or `root/<class>/*` with `hold_out`."""

    opens: ClassVar = {"imagefolder": "collab.data.folders:ImageFolders", "imagenet": "collab.data.folders:ImageNet"}
    source: Literal["imagefolder", "imagenet"] = Field(
        description="A folder for each class; imagenet is the same, and takes `val` where `test` is there too."
    )
    root: str = Field(
        description="Folder with `train` and `val` or `test`, or with the folders of the classes; relative to this "
        "file."
    )
    test: Literal["val", "test"] | None = Field(
        None, description="The folder of held-out images, the one that is there unless given; if both are, say which."
    )
    window: Window = None


class Cifar(Data):
    """CIFAR as torchvision keeps it."""

    opens: ClassVar = {
        "cifar10": "collab.data.torchvision_sets:Cifar10",
        "cifar100": "collab.data.torchvision_sets:Cifar100",
    }
    source: Literal["cifar10", "cifar100"] = Field(description="CIFAR.")
    root: str = Field(description="Folder that torchvision keeps the set in, relative to this file.")
    download: bool = Field(False, description="Fetch the set where it is missing; `root` need not exist then.")


class Torchvision(Data):
    """A set as torchvision keeps it; nothing is downloaded."""

    opens: ClassVar = {"torchvision": "collab.data.torchvision_sets:TorchvisionSet"}
    source: Literal["torchvision"] = Field(description="A set that torchvision reads.")
    root: str = Field(description="Folder that torchvision keeps the set in, relative to this file.")
    name: Literal["mnist", "fashion_mnist", "kmnist", "svhn", "flowers102"] = Field(description="Which set.")


class MedMnist(Data):
    """MedMNIST as the `medmnist` package keeps it; nothing is downloaded."""

    opens: ClassVar = {"medmnist": "collab.data.medmnist:MedMnist"}
    source: Literal["medmnist"] = Field(description="A file of MedMNIST.")
    root: str = Field(description="Folder of the file, relative to this file.")
    name: str = Field(pattern=r"^[a-z0-9_]+$", description="Name of the file without `.npz`: `bloodmnist_64`.")


class Lfw(Data):
    """Labeled Faces in the Wild; the classes are people."""

    opens: ClassVar = {"lfw": "collab.data.folders:Lfw"}
    tells = ("identities",)
    source: Literal["lfw"] = Field(description="Faces, a folder for each person.")
    root: str = Field(
        description="Folder that torchvision keeps the set in (`lfw-py`), or that has the people's folders; relative "
        "to this file."
    )
    least_images: int = Field(20, ge=2, description="People with fewer images are passed over.")


class CelebA(Data):
    """CelebA as distributed: `img_align_celeba/` and its list files; the classes are the identities."""

    opens: ClassVar = {"celeba": "collab.data.celeba:CelebA"}
    tells = ("attributes", "identities")
    source: Literal["celeba"] = Field(description="Aligned faces, their attributes and identities.")
    root: str = Field(
        description="Folder of `img_align_celeba` and the lists, or of `Anno`, `Eval` and `Img`; relative to this file."
    )


class EachItsOwn(Data):
    """Nothing is dealt: every entity has `data` of its own, and `public` is a source of its own."""

    opens: ClassVar = {"own": "collab.data.source:NoImages"}
    source: Literal["own"] = Field(description="Each entity has its own source.")


PARTS = tuple(Data.__subclasses__())
"""The part of every source, as they stand above: a new one needs no line elsewhere."""

SOURCES: Mapping[str, type[Data]] = {source: part for part in PARTS for source in part.opens}
"""The part of a source by its name."""


@cache
def as_own_source(part: type[Data]) -> type[OwnSource]:
    """The part of a source where it stands beside another: the same keys without those of a scenario's data."""
    keys: dict[str, Any] = {
        name: (field.annotation, field)
        for name, field in part.model_fields.items()
        if name not in Data.model_fields or name == "source"
    }
    made = create_model(f"Own{part.__name__}", __base__=OwnSource, __doc__=part.__doc__, **keys)
    made.part = part
    return made


def _own_source_of(part: type[Data], values: Mapping[str, Any]) -> OwnSource:
    return as_own_source(part).model_construct(**values)


OWN_PARTS = tuple(as_own_source(part) for part in PARTS if part is not EachItsOwn)


def _validate_own(value: Any, ours: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    from collab.scenario.any_source import validate_own  # knows plugins, whose options are parts as these are

    return validate_own(value, ours, info)


if TYPE_CHECKING:
    AnyOwnSource = OwnSource
else:
    _Own = Annotated[reduce(or_, OWN_PARTS), Field(discriminator="source"), WrapValidator(_validate_own)]
    AnyOwnSource = SerializeAsAny[_Own]
    for part in (Data, *PARTS):
        part.model_rebuild()


def list_sources_that_tell(what: Told) -> tuple[str, ...]:
    """The sources that tell this of their images."""
    return tuple(source for source, part in SOURCES.items() if what in part.tells)
