"""The pages in a real browser: no error, no picture missing, nothing asked of a network, nothing wider than a phone."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from collab.report.attack_page.page import write_audit
from collab.report.pages.page import write_comparison, write_page
from collab.store.pictures import judged_file
from tests.report.made_up import pictures, row, rows, scenario, write_run

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to look with (apt install chromium)")

PROBE = """<script>
addEventListener("load", () => {
  const images = [...document.images];
  parent.postMessage(JSON.stringify({
    images: images.length,
    missing: images.filter(each => !each.complete || !each.naturalWidth).length,
    unnamed: images.filter(each => !each.alt).length,
    wide: document.documentElement.scrollWidth > document.documentElement.clientWidth,
    width: innerWidth,
    asked: performance.getEntriesByType("resource").filter(each => !each.name.startsWith("data:")).length,
    ink: getComputedStyle(document.body).color,
    cut: [...document.querySelectorAll("table")].filter(each => {
      if (!each.offsetParent) return false;
      const room = each.closest(".scroll");
      const bar = room && room.scrollWidth > room.clientWidth && room.offsetHeight - room.clientHeight >= 8;
      const end = (room || each).getBoundingClientRect().right;
      return end > document.documentElement.clientWidth + 1 || (room && room.scrollWidth > room.clientWidth && !bar);
    }).length,
    scrolled: [...document.querySelectorAll(".scroll")].filter(each => each.scrollWidth > each.clientWidth).length,
    nameless: [...document.querySelectorAll("svg")].filter(
      each => !each.closest("[aria-hidden=true], [role=img][aria-label]")).length,
  }), "*");
});
</script>"""

FRAME = """<!doctype html><link rel="icon" href="data:,"><script>
addEventListener("message", event => {
  const told = document.createElement("pre");
  told.id = "probe";
  told.textContent = event.data;
  document.body.append(told);
});
</script><body><iframe src="probed.html" width="WIDTH" height="1000" style="border: 0"></iframe></body>"""
"""The page as wide as a phone is: a window is never narrower than 500 pixels."""


def looked_at(page: Path, *options: str, width: int = 1280) -> tuple[dict[str, object], list[str]]:
    """What a script found in the page, and what the console said."""
    text = page.read_text(encoding="utf-8").replace("</head>", f"{PROBE}</head>")
    page.with_name("probed.html").write_text(text, encoding="utf-8")
    frame = page.with_name("frame.html")
    frame.write_text(FRAME.replace("WIDTH", str(width)))
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-extensions", "--no-first-run",
        "--enable-logging=stderr", "--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1400,1000",
        f"--user-data-dir={page.parent / 'profile'}", "--virtual-time-budget=5000", *options, "--dump-dom",
        frame.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    told = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert told, done.stderr[-2000:]
    return json.loads(told[1]), [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    stated = scenario()
    told = {
        "notices": ["a1: 2 of 20 images do not decode (all in private/a1/broken_held-out_images_of_hospital_a1.txt)"]
    }
    run = write_run(
        tmp_path_factory.mktemp("run"), stated, rows(stated, {"7": 0.7}, 0.3), shown=pictures(), record=told
    )
    return write_page(run)


@in_a_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_the_page_without_a_complaint(page: Path, width: int) -> None:
    found, console = looked_at(page, width=width)
    assert console == []
    assert found["cut"] == 0
    assert found["width"] == width
    assert (found["missing"], found["unnamed"], found["nameless"], found["asked"]) == (0, 0, 0, 0)
    assert found["images"] == 4 * 16 * 3
    assert not found["wide"]


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An audit with every attack of the quick suite, long sentences and pictures."""
    stated = scenario()
    made, jobs = rows(stated), dict[str, dict[str, object]]()
    labels = ["straw_man", "leaked_module", "distribution_matching[zca]", "leaked_pairs[4]", "leaked_pairs[64]"]
    for label in labels:
        for name in ("a1", "a2", "a3", "a4"):
            about = {"leakage[ssim_max]": 0.5, "ssim_max[7]": 0.4, "ssim_max[7]_worst": 0.9, "match_top1": 0.9}
            made += [row("by auditor", name, metric, value, attack=label) for metric, value in about.items()]
            jobs[f"attack auditor {label} on {name}"] = {
                "stage": "attack", "entity": "auditor", "attack": label, "victim": name, "rehearsed_on": None,
                "seconds": 12_345.0, "peak_bytes": 1, "cached": False, "losses": [],
                "facts": {"adversary": "module leaked"},
            }  # fmt: skip
    run = write_run(tmp_path_factory.mktemp("audited"), stated, made, shown=pictures(), record={"jobs": jobs})
    seen = np.random.default_rng(0).integers(0, 256, (2, 16, 3, 96, 96), dtype=np.uint8)
    for label in labels:
        file = run / "private" / "oracle" / judged_file("auditor", label, "a1")
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, seen)
    write_page(run)
    page = write_audit(run)
    assert page is not None
    return page


@in_a_browser
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["audit.html", "report.html"])
def test_no_table_of_an_audited_run_is_cut_off(audit: Path, name: str, width: int) -> None:
    found, console = looked_at(audit.with_name(name), width=width)
    assert console == []
    assert (found["cut"], found["wide"]) == (0, False)
    assert (found["missing"], found["unnamed"], found["nameless"], found["asked"]) == (0, 0, 0, 0)
    if (name, width) == ("audit.html", 1280):  # its tables fit; the sheet, 16 pictures of 96 px, goes on at the side
        assert found["scrolled"] == 1


@in_a_browser
def test_dark_mode_has_light_ink(page: Path) -> None:
    inks = [looked_at(page, f"--blink-settings=preferredColorScheme={scheme}")[0]["ink"] for scheme in (0, 1)]
    light, dark = (sum(map(int, re.findall(r"\d+", str(ink)))) / 3 for ink in inks)
    assert light > 200
    assert dark < 60


@in_a_browser
def test_the_browser_would_tell_of_a_missing_picture_an_error_and_a_wide_page(tmp_path: Path) -> None:
    """The positive control of what the tests here look for."""
    page = tmp_path / "bad.html"
    page.write_text(
        "<!doctype html><html><head></head><body><img src='data:image/png;base64,AAAA' alt='x'><img src='gone.png'>"
        "<svg></svg><table><tr><td><div style='width: 3000px'>wide</div></td></tr></table>"
        "<div class='scroll' style='overflow: hidden; width: 300px'><table><tr><td><div style='width: 600px'>cut</div>"
        "</td></tr></table></div><script>console.error('oh')</script></body></html>"
    )
    found, console = looked_at(page)
    assert (found["missing"], found["unnamed"], found["nameless"], found["wide"]) == (2, 1, 1, True)
    assert (found["cut"], found["scrolled"]) == (2, 1)
    assert any("oh" in line for line in console)


@in_a_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_runs_side_by_side(tmp_path: Path, width: int) -> None:
    one, two = scenario(), scenario("seed=1", "refine.epochs=3")
    runs = [write_run(tmp_path / str(at), each, rows(each)) for at, each in enumerate((one, two))]
    found, console = looked_at(write_comparison(runs, tmp_path / "comparison.html"), width=width)
    assert console == []
    assert not found["wide"]


class Outline(HTMLParser):
    """Headings, ids, inner links, and tables with what names them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.levels: list[int] = []
        self.ids: list[str] = []
        self.asked: list[str] = []
        self.tables = self.captions = self.unscoped = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if known.get("id"):
            self.ids.append(str(known["id"]))
        if (known.get("href") or "").startswith("#"):
            self.asked.append(str(known["href"])[1:])
        self.asked += str(known.get("aria-labelledby") or "").split()
        self.tables += tag == "table"
        self.captions += tag == "caption" or (known.get("role") == "region" and "aria-label" in known)
        self.unscoped += tag == "th" and "scope" not in known


def test_the_page_has_an_outline_that_a_screen_reader_can_follow(page: Path) -> None:
    found = Outline(page.read_text(encoding="utf-8"))
    assert found.levels[0] == 1
    assert found.levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(found.levels, found.levels[1:], strict=False))
    assert len(found.ids) == len(set(found.ids))
    assert set(found.asked) <= set(found.ids)
    assert found.tables == found.captions > 6
    assert found.unscoped == 0


def test_the_page_needs_nothing_from_anywhere_and_is_small(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.findall(r"https?://|<script|url\((?!#)|@import", text)
    assert len(text) < 3_000_000
    assert "<fox>" not in text  # names of classes are text, never tags


def test_what_failed_stands_with_the_answer(tmp_path: Path) -> None:
    record = {"failures": {"poison a2": "the loss became <nan>"}}
    text = write_page(write_run(tmp_path, scenario(), [], record=record)).read_text(encoding="utf-8")
    answer = text[text.index('id="answer"') : text.index('id="pictures"')]
    assert "<b>Failed: poison a2.</b> the loss became &lt;nan&gt;" in answer


def test_every_table_tells_its_basis_and_its_cost(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for title in ("Table 1: ", "Table 2: ", "Table 5: ", "Attacks by collaborators"):
        rest = text[text.index(title) :]
        notes = rest[rest.index("</table>") : rest.index("</section>")]
        assert re.search(r"n = 100 images; seed 0; ± is half of the 95 % .*Cost: 1\.5 s", notes), title
    assert "not comparable: made up" in text
    assert "From the cache, played before curves were kept: refine a1 row 7." in text
