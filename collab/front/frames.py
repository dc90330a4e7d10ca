"""Tables of numbers in the library that whoever asks has: pandas, or else polars; Arrow is always there."""

from importlib.util import find_spec
from typing import Any

import pyarrow as pa

from collab.errors import ResourceError


def to_frame(table: pa.Table) -> Any:
    """A DataFrame of pandas, or of polars where there is no pandas. Raises ResourceError where there is neither."""
    if find_spec("pandas"):
        return table.to_pandas()
    if find_spec("polars"):
        import polars

        return polars.from_arrow(table)
    raise ResourceError(
        "a DataFrame needs pandas or polars, and neither is installed: `pip install pandas`, or take `.arrow`, the "
        "same table as pyarrow.Table."
    )
