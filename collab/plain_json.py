"""JSON that every reader takes: a number that is not finite, for which JSON has no word, is null."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from collab.errors import StoreError


def json_text(value: Any, indent: int | None = None) -> str:
    """`value` as JSON text; NaN and infinities in it, at any depth, become null. TypeError for what is no JSON."""
    return json.dumps(_finite(value), allow_nan=False, indent=indent)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value


def read_kept(file: Path, *, of: str, advice: str) -> Any:
    """What a command left in `file`; StoreError that its folder is no `of` where it cannot be read."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        raise StoreError(f"{file.parent} is no {of}: {file.name} in it cannot be read: {cause}. {advice}") from cause
