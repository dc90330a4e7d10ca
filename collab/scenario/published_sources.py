"""Published sets of images, as those who keep them lay them out."""

from typing import ClassVar, Literal

from pydantic import Field

from collab.scenario.source_parts import Data, list_parts


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


PUBLISHED_SOURCES = list_parts(__name__)
