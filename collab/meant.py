"""What somebody probably meant who wrote a name that is not there."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(written: object, known: Iterable[object], quote: str = "`") -> str:
    """`; did you mean ...?` with the one of `known` that is most like what was written; empty if none is."""
    names = {str(name).casefold(): str(name) for name in known}
    close = get_close_matches(str(written).casefold(), names, 1)
    return f"; did you mean {quote}{names[close[0]]}{quote}?" if close else ""
