"""Another process, started once: each start of an interpreter that imports torch takes seconds."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor

import pytest


@pytest.fixture(scope="session")
def elsewhere() -> Iterator[Executor]:
    """One worker in a fresh process, for functions at the top of a test module."""
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor
