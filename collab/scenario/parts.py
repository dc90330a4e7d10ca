"""The pieces of a scenario: immutable, documented, without torch."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, PlainValidator, SerializeAsAny, model_validator

from collab.architectures import RECONSTRUCTOR
from collab.scenario.base import (
    ABOUT_OPTIMIZERS,
    FEATURES_TO_FEATURES,
    ClassName,
    DefenseOptions,
    EntityOptions,
    Form,
    Kind,
    Name,
    Part,
    RowName,
    Schedule,
    Share,
)
from collab.scenario.holding_checks import NEEDS_NO_IMAGES
from collab.scenario.kinds import validate_defense, validate_kind, validate_options
from collab.scenario.partitions import Overlap
from collab.scenario.sources import AnyOwnSource
from collab.types import OptimizerName


class Reconstructor(Schedule):
    """Step 1: the network that the DPMs are trained against."""

    kind: str = Field("px2s2", pattern=RECONSTRUCTOR, description="Family member: p/r, blocks, upscaling, -c; or unet.")
    tail_blocks: int = Field(
        2,
        ge=0,
        le=16,
        description="Blocks at full size, the costliest ones; 0 is the papers' literal form. A unet has its own.",
    )
    upscale: Literal["nearest", "bilinear"] = Field("nearest", description="Upscaling operator.")
    epochs: int = Field(5, ge=1, le=10_000, description="Passes over Q; time grows with them.")
    optimizer: OptimizerName = Field("adam", description=ABOUT_OPTIMIZERS)
    learning_rate: float = Field(2e-3, gt=0, description="Its largest value; a loss that is not finite ends the run.")
    least_ssim: float | None = Field(
        None,
        gt=0,
        le=1,
        description="What an entity asks of R on its own plain features, which it holds: SSIM. More than a guess by "
        "class, on slightly changed features too, and at most twice the L1 that is stated, is asked in any case.",
    )
    poor: Literal["warn", "refuse"] = Field(
        "warn",
        description="What an entity does where R is less: it trains against it all the same, and the report says so "
        "first and in red, or it refuses and the run ends before anything is trained against R.",
    )
    by: Literal["released", "own"] = Field(
        "released",
        description="own: each entity trains its module against an R of its own, made of the public images. Tables and "
        "attacks look through the released one all the same. Time grows by one R for each entity.",
    )


class EntityPart(Part):
    """One party."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["share"]},
                {"required": ["rows"]},
                {"required": ["data"]},
                {"properties": {"kind": {"enum": list(NEEDS_NO_IMAGES)}}, "required": ["kind"]},
            ]
        }
    )

    name: Name = Field(description="Its name in store, ledger and tables.")
    kind: Annotated[Kind, AfterValidator(validate_kind)] = Field(
        "contributor",
        validate_default=True,
        description="The entity plugin that plays it; `collab plugins list` names all.",
    )
    data: AnyOwnSource | None = Field(
        None, description="A source of its own, which its process alone reads; unless given it is dealt to from `data`."
    )
    share: Share | None = Field(
        None,
        description="Fraction of the private images, or of those of `classes`, that it holds; not with `rows`. With "
        "`data` of its own it is of these, or of their `rows`, all unless given. An auditor may go without: whatever "
        "it then holds, nobody else has fewer.",
    )
    classes: tuple[ClassName, ...] | None = Field(
        None, description="Private classes that it has images of, all unless given; `share` counts within them."
    )
    overlap: Overlap | None = Field(None, description="Images that another entity holds too; none unless given.")
    rows: str | None = Field(
        None,
        description="File, relative to this one, with a training image on each line: its file name or a glob "
        "(`cat/IMG_0001.jpg`, `cat/a_*`), or its number from 0 where images are no files of their own.",
    )
    options: Annotated[SerializeAsAny[EntityOptions], PlainValidator(validate_options)] = Field(
        EntityOptions(), validate_default=True, description="Options of its kind."
    )
    defense: Annotated[
        SerializeAsAny[DefenseOptions] | tuple[SerializeAsAny[DefenseOptions], ...], PlainValidator(validate_defense)
    ] = Field(description="What it does to its features before publishing; of several, one after the other.")

    signing_key: str | None = Field(
        None,
        description="File, relative to this one, with its private Ed25519 key (`collab store key FILE` makes one): it "
        "signs what it publishes, and readers refuse what others write in its name. No result depends on it.",
    )
    release_module: bool = Field(
        False, description="Publish the fitted defense too, as if it had leaked: anybody can run it."
    )

    @property
    def rows_path(self) -> Path:
        """The file of `rows`, where it has one."""
        return Path(self.rows or "")

    @property
    def signing_key_path(self) -> Path | None:
        """The file of `signing_key`, where it has one."""
        return Path(self.signing_key) if self.signing_key else None

    @property
    def is_onlooker(self) -> bool:
        """Whether it says nothing of images of its own, since its kind needs none."""
        return self.share is None and self.rows is None and self.data is None

    @property
    def is_publishing_party(self) -> bool:
        """Whether it publishes, and is no control of attacks."""
        return self.options.publishes and not self.options.is_control

    @property
    def defenses(self) -> tuple[DefenseOptions, ...]:
        """The defenses that its features go through, in order."""
        return self.defense if isinstance(self.defense, tuple) else (self.defense,)

    @property
    def form(self) -> Form:
        """What its defense is given and what it publishes; of several, all have the same."""
        return self.defenses[0].form

    @property
    def publishes_rows(self) -> bool:
        """Whether it publishes a row for each of its images, and is no control of attacks."""
        return self.is_publishing_party and self.form.is_of_own_rows

    @property
    def opens_module(self) -> bool:
        """Whether everybody has its module: it says so, or others could not read what it publishes."""
        return self.release_module or self.form.is_released

    @model_validator(mode="after")
    def _chains_take_features(self) -> Self:
        alone = [defense for defense in self.defenses if defense.form != FEATURES_TO_FEATURES]
        if alone and len(self.defenses) > 1:
            does = "changes images, not features" if alone[0].form.takes_images else "changes no row"
            raise ValueError(f"{alone[0].kind} {does}; it stands alone, not in a list of defenses")
        return self

    @property
    def protection(self) -> str:
        """The kinds of its defenses in a word, as tables have it: `gaussian_noise+dpm`."""
        return "+".join(defense.kind for defense in self.defenses)


class Refinement(Part):
    """One row of Table 5: who trains on what."""

    name: RowName = Field(
        alias="row",
        description="Number or name of the row; names have up to 20 letters, and c_ begins those of control rows.",
    )
    entity: Name | None = Field(None, description="Who trains; not for an upper bound over a share of all images.")
    own: Literal["images", "features", "poisoned", "published", "none"] = Field(
        description="Raw images from scratch, F(x), own P(F(x)), images from scratch as they are published, or none: "
        "the pool alone, as of a user without images."
    )
    init: Literal["released", "fresh"] = Field(
        "released",
        description="What a row from features begins with: the released C, or (fresh) one that is drawn anew, as of a "
        "new user of F. It needs more `epochs`.",
    )
    share: Share | None = Field(None, description="Upper bound: from scratch on this fraction of all private images.")
    pool: tuple[Name, ...] = Field((), description="Whose poisoned features are mixed in.")
    unpoisoned: tuple[Name, ...] = Field((), description="Whose plain features are mixed in; only a simulator can.")
    epochs: int | None = Field(None, ge=1, le=10_000, description="Other passes than the schedule's.")
    vet: Literal["none", "holdout"] | None = Field(None, description="As in `refine`, for this row.")
    repeats: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="Other repeats than `refine` says; of a row from scratch, which is trained once unless given.",
    )

    @property
    def is_from_scratch(self) -> bool:
        """Whether it trains a whole new network on images."""
        return self.own in ("images", "published")

    @property
    def is_refining(self) -> bool:
        """Whether it trains the released C further on own plain features: of such rows gains are told."""
        return self.own == "features" and self.init == "released"

    @property
    def is_bound(self) -> bool:
        """Whether it is an upper bound that needs images of several entities, so that only the oracle can play it."""
        return self.share is not None or bool(self.unpoisoned)

    @property
    def senders(self) -> tuple[str, ...]:
        """Whose shards it reads, in order of name; the own ones too where it trains on what it published itself."""
        own = {self.entity} if self.own in ("poisoned", "published") and self.entity else set[str]()
        return tuple(sorted({*self.pool, *own}))


class Refine(Schedule):
    """Step 3: how the released decider is trained further."""

    learning_rate: float = Field(0.02, gt=0, description="Its largest value; a loss that is not finite ends the run.")
    weight_decay: float = Field(5e-4, ge=0, description="L2 penalty (adamw: decoupled).")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="Share of the target spread over all classes.")
    bn: Literal["own", "update", "frozen"] = Field(
        "own",
        description="BatchNorm statistics: taken again over the entity's own unpoisoned features in the end, as C will "
        "read such; those of the mixture that it was trained on; or those of the released C.",
    )
    budget: Literal["epochs", "steps"] = Field(
        "epochs", description="steps: every row takes as many steps as the largest one would."
    )
    repeats: int = Field(
        1,
        ge=1,
        le=1000,
        description="How often each row from features, control rows too, is trained, each time in another order of the "
        "data; its figures are means, whose intervals know of both images and orders. Time grows with it.",
    )
    vet: Literal["none", "holdout"] = Field(
        "none", description="holdout: each peer's shard is tried on own held-out images; what hurts is left out."
    )
    leave_out: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (),
        description="Where peers are attacked: plays each row with a pool again without this share of the attacked "
        "images of each, the most exposed ones. Only a simulator knows which these are.",
    )


_CONTAINER = r"[a-z0-9-]{3,63}@[a-z0-9]{3,24}\.dfs\.core\.windows\.net"
_BUCKET = rf"((s3|gs)://[a-z0-9][a-z0-9.-]{{1,62}}|abfs://{_CONTAINER})(/[A-Za-z0-9._=/-]*)?"
_ASKED = r"(region|scheme|endpoint_override)=[A-Za-z0-9.:-]+"
# No place for a name or a key: credentials in a scenario would lie in every run's folder.
_PLACE = re.compile(rf"file:///[^?#]+|{_BUCKET}(\?{_ASKED}(&{_ASKED})*)?")


def _place_of_stores(uri: str) -> str:
    if not _PLACE.fullmatch(uri):
        raise ValueError(
            "must be file:///FOLDER, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or "
            "abfs://CONTAINER@ACCOUNT.dfs.core.windows.net/PREFIX, a bucket perhaps with ?region=, scheme= and "
            "endpoint_override=; credentials come from the environment"
        )
    return uri


class StoreOptions(Part):
    """How features are stored, and where."""

    codec: Literal["float32", "float16", "bfloat16", "int8"] = Field(
        "float16", description="Type of stored features: four bytes each, two, two, or one of 256 steps of their row."
    )
    uri: Annotated[str, AfterValidator(_place_of_stores)] | None = Field(
        None,
        description="Where stores of runs lie: `s3://bucket/prefix?region=...`, `gs://bucket/prefix`, "
        "`abfs://container@account.dfs.core.windows.net/prefix` or `file:///folder`; by default in the run directory. "
        "An S3-compatible server is named with `&scheme=http&endpoint_override=HOST:PORT`. Credentials come from the "
        "environment alone. No result depends on it.",
    )
