"""Names of the rows of results that are not stated as refinements: one list for plan, checks and verdicts."""

from typing import Final

PRETRAIN: Final = "pretrain"
PUBLIC: Final = "c_public"
RECONSTRUCTOR: Final = "reconstructor"
RECOGNIZER: Final = "recognizer"
EMBEDDING: Final = "embedding"
TABLES_1_2: Final = "tables_1_2"
PUBLISH: Final = "publish"
DISCLOSURE: Final = "disclosure"
INFERENCE: Final = "inference"
EXPOSURE: Final = "exposure"
WITHDRAW: Final = "withdraw"

VERDICT: Final = "verdict"
"""The row of what became of each expectation; `collab.verdicts.verdicts` makes it of the others."""

RESERVED: Final = frozenset(
    {PRETRAIN, PUBLIC, RECONSTRUCTOR, RECOGNIZER, EMBEDDING, TABLES_1_2, PUBLISH, DISCLOSURE, INFERENCE, EXPOSURE}
    | {WITHDRAW, VERDICT}
)
"""Names that no stated row may have."""

OF_CONTROLS: Final = "c_"
OF_ATTACKS: Final = "by "
"""What names of control rows begin with, and those of attacks: `by a1`, who attacks. No stated row has a space."""
