"""What a scenario may have measured besides its tables: exposure of features, disclosure of images, inference."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from collab.scenario.base import Name, OneCycle, Part
from collab.scenario.network import ImageSchedule


class Learner(OneCycle):
    """How a network is trained that looks at features."""

    epochs: int = Field(5, ge=1, le=10_000, description="Passes over its images; time grows with them.")


class Decoder(Learner):
    """A fresh decoder, trained on public images as the entity encodes them: the attack of Xiao et al."""

    name: Name = Field("plain", description="What results call it, in brackets.")
    gan_weight: float = Field(0.0, ge=0, description="Mu_g of (5); above 0 a discriminator learns beside it.")
    share: float = Field(1.0, gt=0, le=1, description="Share of the public images that it learns on.")


class Exposure(Part):
    """What held-out images give away through the features that an entity would publish of them."""

    decoders: tuple[Decoder, ...] = Field((), description="Fresh decoders, each with a name of its own.")
    embedding: Learner | None = Field(
        None, description="Of individuals, on public images: face and feature similarity, variances; null: none."
    )
    attributes: tuple[str, ...] = Field(
        (), description="Attributes of the task told one by one: MCC, and what the 15 nearest features say of each."
    )


class Recognizer(Learner, ImageSchedule):
    """A classifier of another architecture than C, trained on all images that the entities hold together."""

    width: int = Field(16, ge=4, le=256, description="Channels of its first stage; time grows with its square.")
    epochs: int = Field(8, ge=1, le=10_000, description="Passes over the images; time grows with them.")
    learning_rate: float = Field(3e-3, gt=0, description="Its largest value; a loss that is not finite ends the run.")
    weight_decay: float = Field(0.05, ge=0, description="L2 penalty (adamw: decoupled).")


class Disclosure(Part):
    """How near reconstructions come, for the worst images too, and whether they are told apart and recognized."""

    queries: int = Field(
        500, ge=16, le=65_536, description="Reconstructions that are looked up in the gallery; time grows with them."
    )
    gallery: int = Field(
        2000, ge=1000, le=65_536, description="Most images among which a true one is looked up; at least 1,000 exist."
    )
    images: int | None = Field(
        None, ge=16, le=1_000_000, description="Held-out images that are compared, drawn by number; all unless given."
    )
    recognizer: Recognizer | None = Field(
        Recognizer(), description="The independent network behind recognition, embedding and pdist; null: none."
    )
    lpips: Literal["alex", "vgg", "squeeze"] | None = Field(
        None, description="Trunk of LPIPS, for which the extra `lpips` and its published weights must be there."
    )


Inferred = Literal["attributes", "identities"]


def _distinct(asked: tuple[Inferred, ...]) -> tuple[Inferred, ...]:
    if not asked or len(set(asked)) < len(asked):
        raise ValueError("must name attributes, identities or both, each once")
    return asked


class Inference(Learner):
    """Classifiers of what is private, built like C, of features as they are and of published ones, for each entity."""

    of: Annotated[tuple[Inferred, ...], AfterValidator(_distinct)] = Field(
        ("attributes",), description="What they are to read: the private attributes, or whom an image shows."
    )
    epochs: int = Field(20, ge=1, le=10_000, description="Passes over three quarters of an entity's rows.")
    weight_decay: float = Field(0.05, ge=0, description="L2 penalty (adamw: decoupled).")
