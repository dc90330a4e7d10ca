"""JSON has no NaN: what is not finite is null, at any depth."""

import json
import math

import pytest

from collab.plain_json import json_text


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def test_what_is_not_finite_is_null_at_any_depth() -> None:
    value = {"rows": [{"value": math.nan, "n": 3}, (math.inf, -math.inf, 0.5)], "text": "NaN", "none": None}
    assert json.loads(json_text(value), parse_constant=refuse) == {
        "rows": [{"value": None, "n": 3}, [None, None, 0.5]],
        "text": "NaN",
        "none": None,
    }
    with pytest.raises(AssertionError, match="NaN is no JSON"):
        json.loads(json.dumps(value), parse_constant=refuse)


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError):
        json_text({"it": object()})
