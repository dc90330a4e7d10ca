"""What metrics of plugins say of images that R rebuilds: of held-out ones, beside those of Table 2."""

from collections.abc import Iterator

from collab.scenario import stage_rows
from collab.stages.base import EntityStage, Job, Planning, Urgency
from collab.stages.featurize import FeaturizeHeldout
from collab.stages.keys import Keys, remember
from collab.stages.publish import Poison
from collab.stages.reconstruct import Reconstruct


class MeasureImages(EntityStage):
    """Apart from the fitting of a defense, so that a metric that is added or edited trains nothing anew."""

    name, version = "measure", 1

    def jobs(self, planning: Planning) -> Iterator[Job]:
        """One of each entity that publishes, if there is a metric of images."""
        names = planning.row_publishers if any(metric.of == "images" for metric in planning.scenario.metrics) else ()
        for number, name in enumerate(names):
            needs = (f"poison {name}", f"reconstruct {planning.leader}", "featurize heldout")
            labels = ((stage_rows.TABLES_1_2, name),)
            yield Job(f"measure {name}", name, self.name, (Urgency.JUDGES, 4, number), needs, labels)

    @staticmethod
    @remember
    def key_of(keys: Keys, name: str) -> str:
        """The metrics and their code, the fitted defense, R, and F of the held-out images."""
        used = [Poison.key_of(keys, name), Reconstruct.key_of(keys, keys.leader), FeaturizeHeldout.key_of(keys)]
        return keys.make(MeasureImages, name, {"metrics": keys.metrics}, used)
