"""What somebody probably meant who wrote a name that is not there."""

import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(written: object, known: Iterable[object], quote: str = "`") -> str:
    """`; did you mean ...?` with the one of `known` that is most like what was written; empty if none is."""
    names = {str(name).casefold(): str(name) for name in known}
    close = get_close_matches(str(written).casefold(), names, 1)
    return f"; did you mean {quote}{names[close[0]]}{quote}?" if close else ""


def fold(name: str) -> str:
    """What names that differ only in capitals, accents, what stands between words, or a plural s have in common."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    words = "".join(letter for letter in letters if letter.isalnum())
    return words.removesuffix("s") if len(words) > 2 and not words.endswith("ss") else words
