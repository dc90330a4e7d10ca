"""What sharing brings against what attacks got, as a picture: which points are drawn, and where."""

from collab.report.attack_page.got import Got, find_most
from collab.report.figures.frontier import draw_attacked_frontier
from collab.report.tables.attacked import Attacked
from collab.results.figure import Figure
from collab.tasks import find_main_metric

MAIN = find_main_metric(["top1"])


def attacked(name: str, gain: float | None, *shares: tuple[str, float]) -> Attacked:
    found = [[Got("dpm", ("a2",), (), adversary, "matching", "rows", Figure(share)) for adversary, share in shares]]
    figure = None if gain is None else Figure(gain, gain - 0.02, gain + 0.02)
    return Attacked((("publishes", name),), "dpm", figure, None, None, None, find_most(found), None)


def test_a_point_is_named_where_both_were_measured_and_one_alone_is_not_drawn() -> None:
    plain, answers = attacked("plain", 0.1, ("outsider", 0.9)), attacked("answers", 0.05, ("insider", 0.1))
    drawn = draw_attacked_frontier(MAIN, [plain, answers])
    assert ">plain</text>" in drawn
    assert ">answers</text>" in drawn
    assert draw_attacked_frontier(MAIN, [plain]) == ""
    assert draw_attacked_frontier(MAIN, [plain, attacked("answers", None, ("insider", 0.1))]) == ""
    assert draw_attacked_frontier(MAIN, [plain, attacked("answers", 0.05)]) == ""


def test_who_reads_the_store_alone_is_drawn_apart_from_who_has_more() -> None:
    def marks(*shares: tuple[str, float]) -> int:
        other = attacked("answers", 0.05, ("insider", 0.1))
        return draw_attacked_frontier(MAIN, [attacked("plain", 0.1, *shares), other]).count("<use ")

    more = marks(("outsider", 0.4), ("module leaked", 0.9)) - marks(("module leaked", 0.9))
    assert more > 0  # the filled mark of the outsider
    assert marks(("collaborator", 0.4), ("insider", 0.9)) == marks(("outsider", 0.4), ("insider", 0.9))
