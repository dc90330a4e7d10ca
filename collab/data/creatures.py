"""The embedded source: drawn animal-like faces with species, individuals, attributes and pose; needs no download."""

import fcntl
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from signal import SIG_DFL, SIG_IGN, SIGINT, SIGPIPE, signal
from subprocess import PIPE, Popen
from typing import IO, Final, cast

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8

from collab.data.creature_drawing import DRAWING, draw
from collab.data.creature_traits import ATTRIBUTES, Species, Traits, draw_labels, draw_traits, read_attributes
from collab.data.source import BLOCK, Source, Split
from collab.errors import ResourceError

PIXELS_OF_A_PROCESS: Final = 1 << 21
"""What one core draws in about a second, four times as long as a process takes to start."""

_PIPE: Final = 1 << 20
_MOST_PROCESSES: Final = 8  # of 60 MB each: entities that decode side by side have as many each


class Creatures(Source):
    """`train` and `test` images of `classes` species; a picture depends on seed, split and row number only.

    The same row at another size shows the same picture. A stand-in for trying things out: figures made from it say
    nothing about photographs.
    """

    attribute_names = ATTRIBUTES

    def __init__(self, *, image_size: int, seed: int, classes: int = 20, train: int = 12000, test: int = 2000) -> None:
        self._options = {"image_size": image_size, "seed": seed, "classes": classes, "train": train, "test": test}
        self._side, self._seed = image_size, seed
        self._sizes = {"train": train, "test": test}
        self._species = Species.draw(seed, classes)
        self.classes = tuple(f"species_{number:02d}" for number in range(classes))

    def labels(self, split: Split) -> Int64[np.ndarray, " rows"]:
        """The species of every row."""
        return draw_labels(self._seed, split, np.arange(self._sizes[split]), len(self.classes))

    def images(self, split: Split, rows: np.ndarray) -> Iterator[UInt8[np.ndarray, "batch 3 side side"]]:
        """Draws `rows`, block by block, in as many processes as have a second's work and a core."""
        cores = min((os.cpu_count() or 1), _MOST_PROCESSES)
        count = min(cores, len(rows) * self._side**2 // PIXELS_OF_A_PROCESS)
        return self._draw(split, rows) if count < 2 else self._draw_elsewhere(split, rows, count)

    def identities(self, split: Split, rows: np.ndarray) -> Int64[np.ndarray, " rows"]:
        """The individual of each of `rows`; one has up to 8 images."""
        return self._traits(split, rows)["individual"]

    def attributes(self, split: Split, rows: np.ndarray) -> Bool[np.ndarray, "rows 40"]:
        """The 40 binary attributes of each of `rows`, in the order of `attribute_names`."""
        return read_attributes(self._traits(split, rows)).astype(bool)

    def pose(self, split: Split, rows: np.ndarray) -> Float64[np.ndarray, "rows 3"]:
        """Roll, pitch and yaw of each of `rows` in degrees."""
        traits = self._traits(split, rows)
        return np.stack([traits["roll"], traits["pitch"], traits["yaw"]], axis=1)

    def digest(self) -> str:
        """Identity of the pictures: options, seed, and the version of the drawing."""
        parts = ["creatures", DRAWING, self._side, self._seed, len(self.classes), self._sizes]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _traits(self, split: Split, rows: np.ndarray) -> Traits:
        return draw_traits(self._species, self._seed, split, np.asarray(rows, dtype=np.int64))

    def _draw(self, split: Split, rows: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(rows), BLOCK):
            yield draw(self._traits(split, rows[start : start + BLOCK]), self._side)

    def _draw_elsewhere(self, split: Split, rows: np.ndarray, count: int) -> Iterator[np.ndarray]:
        """The pictures of `rows`, whose blocks go to `count` processes in turn; each draws its next meanwhile.

        Threads would wait for one another: a picture is made of thousands of short steps, and all need the
        interpreter's lock. `multiprocessing` would import the caller's main module into each process.
        """
        blocks = [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]
        # They import from where this process does, and not (-P) from the folder that it happens to run in.
        command = [sys.executable, "-P", "-m", "collab.data.creatures", json.dumps([self._options, split])]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with ExitStack() as stack:
            processes = [
                stack.enter_context(Popen(command, stdin=PIPE, stdout=PIPE, env=environment)) for _ in range(count)
            ]
            for first, process in enumerate(processes):
                # A block of 32 px fits into the pipe whole: else each 64 KiB of it would wait for the reader.
                with suppress(OSError):
                    fcntl.fcntl(cast(IO[bytes], process.stdout), fcntl.F_SETPIPE_SZ, _PIPE)
                stack.callback(process.kill)  # before it is waited for: nobody may read the rest of its pictures
                with suppress(BrokenPipeError), cast(IO[bytes], process.stdin) as pipe:
                    pipe.write(np.concatenate(blocks[first::count]).astype(np.int64).tobytes())
            for number, block in enumerate(blocks):
                size = len(block) * 3 * self._side**2
                pictures = cast(IO[bytes], processes[number % count].stdout).read(size)
                if len(pictures) < size:
                    raise ResourceError(
                        "A process that draws creatures has ended before its time. Is there enough memory for it?"
                    )
                yield np.frombuffer(pictures, np.uint8).reshape(-1, 3, self._side, self._side)

    @classmethod
    def answer(cls) -> None:
        """What such a process does: draws the rows that come in, and writes the pictures out."""
        signal(SIGINT, SIG_IGN)  # whoever reads decides when to stop, and
        signal(SIGPIPE, SIG_DFL)  # where nobody reads any more, there is nothing to say
        options, split = json.loads(sys.argv[1])
        rows = np.frombuffer(sys.stdin.buffer.read(), np.int64)
        for pictures in cls(**options)._draw(split, rows):
            sys.stdout.buffer.write(pictures.tobytes())


if __name__ == "__main__":
    Creatures.answer()
