"""Where things lie in the repository, whatever folder a test is in."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
SCENARIOS = ROOT / "scenarios"
TINY = SCENARIOS / "tiny.yaml"
