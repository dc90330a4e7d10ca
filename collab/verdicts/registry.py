"""All tables by their ids, found in the room `papers`: a paper's file needs no line elsewhere."""

import pkgutil
from collections import Counter
from collections.abc import Mapping
from importlib import import_module

from collab.errors import CollabError
from collab.verdicts import papers
from collab.verdicts.table import SweepTable, Table


def find_tables() -> list[Table | SweepTable]:
    """Every table that a paper's file lists; CollabError if two have one id."""
    names = sorted(module.name for module in pkgutil.iter_modules(papers.__path__))
    found = [table for name in names for table in import_module(f"{papers.__name__}.{name}").TABLES]
    if twice := [table for table, count in Counter(table.id for table in found).items() if count > 1]:
        raise CollabError(f"{', '.join(twice)}: listed twice in the files of {papers.__name__}.")
    return found


_FOUND = find_tables()

TABLES: Mapping[str, Table] = {table.id: table for table in _FOUND if isinstance(table, Table)}
"""Those that a scenario may expect."""

SWEEP_TABLES: Mapping[str, SweepTable] = {table.id: table for table in _FOUND if isinstance(table, SweepTable)}
"""Those that a sweep may expect."""
