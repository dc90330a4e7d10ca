"""Names and counts as messages about images say them."""

from collections.abc import Iterable, Mapping, Sequence

MOST_IN_LINE, MOST_LINES = 20, 20
"""Names in one line, and texts on lines of their own; more are counted."""


def say_count(count: int, noun: str, nouns: str | None = None) -> str:
    """`1 file`, `1,200 files`."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def say_names(names: Sequence[str] | Mapping[str, int]) -> str:
    """Twenty names in one line, with their counts where they have some, and how many more there are."""
    texts = [f"{name} {count:,}" for name, count in names.items()] if isinstance(names, Mapping) else list(names)
    more = f" and {len(texts) - MOST_IN_LINE:,} more" if len(texts) > MOST_IN_LINE else ""
    return make_readable(", ".join(texts[:MOST_IN_LINE]) + more)


def say_lines(texts: Iterable[str]) -> str:
    """Twenty texts, each on a line of its own, and how many more there are."""
    lines = list(texts)
    more = [f"and {len(lines) - MOST_LINES:,} more"] if len(lines) > MOST_LINES else []
    return make_readable("".join(f"\n  {line}" for line in [*lines[:MOST_LINES], *more]))


def make_readable(text: str) -> str:
    r"""`text` with `\xe9` for the bytes of file names that are no UTF-8: neither terminal nor page takes them."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
