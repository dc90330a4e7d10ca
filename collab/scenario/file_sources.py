"""Sources of one's own images: tables, lists, tar files, folders."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, FiniteFloat

from collab.scenario.source_parts import Data, list_parts

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


FILE_SOURCES = list_parts(__name__)
