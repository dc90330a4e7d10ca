"""What must be known of a shard that was written, and the record of it beside one that lies in no store."""

from dataclasses import asdict, dataclass
from pathlib import Path

from collab.errors import ShardCorrupt, ShardMissing
from collab.store.files import json_bytes, place_file, read_json

_RECORD = "shard.json"


@dataclass(frozen=True)
class Written:
    """A shard that was written: where, whose, sha256 (hex) of the file, its size, and how many rows each class has."""

    path: Path
    entity: str
    sha256: str
    rows: int
    bytes: int
    histogram: tuple[int, ...]

    @property
    def digest(self) -> str:
        """The sha256 of the file, 64 hexadecimal digits."""
        return self.sha256

    def save(self) -> None:
        """Keeps this record beside a shard that is alone in its folder and in no store, for `read`."""
        content = json_bytes(asdict(self) | {"path": self.path.name}, what="the record of a shard")
        place_file(self.path.parent, _RECORD, lambda file: file.write(content), what="the record of a shard")

    @classmethod
    def read(cls, folder: Path) -> "Written":
        """What `save` left in `folder`; ShardMissing if there is nothing."""
        try:
            record = read_json(folder / _RECORD, what="the record")
            return cls(**record | {"path": folder / Path(record["path"]).name, "histogram": tuple(record["histogram"])})
        except FileNotFoundError as error:
            raise ShardMissing(
                f"there is no record of a shard in {folder}. Play the stage that writes it again."
            ) from error
        except (KeyError, TypeError) as error:
            raise ShardCorrupt(f"the record of a shard in {folder} is not one: {error}.") from error
