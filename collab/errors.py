"""The error tree: each class has an exit code and a page in docs/errors.md.

CollabError            1    a bug of ours
├── ExpectationFailed  1    with `--check`: what a scenario expects did not come out; lists what
├── ExpectationUndecided 7  with `--check`: nothing failed, but the data cannot tell whether all came out; lists what
├── ScenarioError      2    a mistake in a scenario or on the command line; lists all of them as file:line:column
│   ├── PluginError         unknown kind, two plugins with one name, failed import
│   └── DataError           a folder or file of images that is missing, unreadable or too small for what was asked
├── ResourceError      3    CPU, GPU, memory, Ray address, torch and torchvision that do not match
├── EntityError        4    one entity failed; names entity, stage, cause
├── StoreError         5    ShardMissing, ShardCorrupt (digest, schema, range), a store that cannot be written
└── BoundaryError      6    something private crossed or would have; names the guarantee
Ctrl-C               130; SIGTERM 143, SIGHUP 129
"""

import errno

INTERRUPTED = 130

MAKE_ROOM = (
    "Make room (`collab cache gc` removes stages that were played), or take a folder on another disk with `--out`."
)


def is_full_disk(cause: BaseException) -> bool:
    """Whether the system refused to write because a disk, or what a user may have of it, is full."""
    return isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)


class CollabError(Exception):
    """Root of the tree: a bug of ours, unless a subclass says otherwise."""

    exit_code = 1


class ExpectationFailed(CollabError):
    """What a scenario expects did not come out, and `--check` was given; everything is written."""


class ExpectationUndecided(CollabError):
    """Nothing that a scenario expects failed, but some of it was not shown, and `--check` was given."""

    exit_code = 7


class ScenarioError(CollabError):
    """The scenario, an override or a command-line option is wrong."""

    exit_code = 2


class PluginError(ScenarioError):
    """A kind that is unknown, doubly defined, or whose module fails to import."""


class DataError(ScenarioError):
    """A source of images cannot deliver what was asked; names the folder or file."""


class ResourceError(CollabError):
    """The machine or cluster lacks what the scenario asks for."""

    exit_code = 3


class EntityError(CollabError):
    """An entity failed in a stage."""

    exit_code = 4


class StoreError(CollabError):
    """The store cannot be written, or what lies in it was refused."""

    exit_code = 5


class ShardMissing(StoreError):
    """A manifest names a shard, or a refinement names an entity, and there is nothing."""


class ShardCorrupt(StoreError):
    """A shard is not what its manifest says; carries the reason."""


class BoundaryError(CollabError):
    """Something private crossed an entity's boundary, or would have."""

    exit_code = 6
