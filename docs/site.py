"""What the site needs beyond MkDocs: pages from outside this folder, notebooks as pages, formulas without a script.

MkDocs calls the functions `on_...`, its reader of docstrings the class `Examples`.
"""

import json
import re
from pathlib import Path
from typing import Any

import typer
from griffe import Extension, Object
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
OUTSIDE = {"ARCHITECTURE.md": "architecture.md", "CHANGELOG.md": "changelog.md"}
"""Pages of the repository's root, and what they are called here."""

LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.S)
OPTIONS = "<!-- every option -->"
"""Where docs/commands.md takes what the command line says of itself."""

DOWNLOAD = "Download this notebook"
EXAMPLE = re.compile(r"^( *)>>> .*(?:\n\1(?=\S).*)*", re.M)
ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Adds pages of the root, and a page for each notebook."""
    for name, page in OUTSIDE.items():
        files.append(File.generated(config, page, content=(ROOT / name).read_text(encoding="utf-8")))
    for notebook in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")):
        files.append(File.generated(config, f"notebooks/{notebook.stem}.md", content=notebook_page(notebook)))
    return files


def on_page_markdown(text: str, *, page: Any, **_: Any) -> str:
    """Leads links to where the pages are on the site; what is no page of it is named, not linked."""
    here = Path(page.file.src_uri)
    if OPTIONS in text:
        text = text.replace(OPTIONS, every_option())
    origin = Path({made: name for name, made in OUTSIDE.items()}.get(page.file.src_uri, f"docs/{here}"))
    return LINK.sub(lambda link: _relinked(link, here, origin), text)


def _relinked(link: re.Match[str], here: Path, origin: Path) -> str:
    name, hash_, anchor = link[2].partition("#")
    if not name or re.match(r"[a-z]+:", name):
        return link[0]
    target = (ROOT / origin.parent / name).resolve().relative_to(ROOT).as_posix()
    if target in OUTSIDE:
        target = f"docs/{OUTSIDE[target]}"
    if target == "README.md":
        target = "docs/index.md"
    if not target.startswith("docs/") or (ROOT / target).is_dir():
        return link[1]
    if link[1] != DOWNLOAD:
        target = re.sub(r"^(docs/notebooks/\w+)\.ipynb$", r"\1.md", target)
    up = "../" * len(here.parent.parts)
    return f"[{link[1]}]({up}{target.removeprefix('docs/')}{hash_}{anchor})"


def on_page_content(html: str, **_: Any) -> str:
    """Turns formulas in TeX into MathML, which browsers draw themselves."""
    return FORMULA.sub(lambda found: mathml(found[3], "block" if found[2] == "[" else "inline"), html)


class Examples(Extension):
    """Shows the examples of docstrings as code."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Puts a fence around each run of lines that begins with a prompt."""
        if obj.docstring:
            obj.docstring.value = EXAMPLE.sub(
                lambda found: f"{found[1]}```pycon\n{found[0]}\n{found[1]}```", obj.docstring.value
            )


def every_option() -> str:
    """A table of its options for each command, as the command line has them."""
    from collab.cli import app

    return "\n\n".join(["## Every option", *_options(typer.main.get_command(app), "collab")])


def _options(command: Any, name: str) -> list[str]:
    if inside := getattr(command, "commands", None):
        return [part for each in inside.values() for part in _options(each, f"{name} {each.name}")]
    lines = []
    for option in command.params:
        says = (getattr(option, "help", "") or "").replace("|", "\\|")
        called = (
            ", ".join(f"`{each}`" for each in option.opts) if option.opts[0][0] == "-" else f"`{option.name.upper()}`"
        )
        default = "" if option.default in (None, False, ()) or callable(option.default) else f"`{option.default}`"
        lines.append(f"| {called} | {says} | {default} |")
    return [
        f"### {name}",
        (command.help or "").split("\n\n")[0],
        "\n".join(["| | | default |", "|---|---|---|", *lines]),
    ]


def mathml(tex: str, display: str) -> str:
    """A formula of a page, whose signs are escaped as HTML has them, as MathML."""
    for entity, sign in ENTITIES.items():
        tex = tex.replace(entity, sign)
    return str(convert(tex, display=display))


def notebook_page(notebook: Path) -> str:
    """A notebook as Markdown: its text, its code, and what each cell has put out."""
    parts = []
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        parts += [_output(output) for output in cell.get("outputs", ())]
    download = f"[{DOWNLOAD}]({notebook.name}){{ download }}\n"
    return "\n\n".join([*parts, download])


def _output(output: dict[str, Any]) -> str:
    if output["output_type"] == "stream":
        return f"```text\n{''.join(output['text']).rstrip()}\n```"
    data = {kind: "".join(value) for kind, value in output["data"].items()}
    if "image/png" in data:
        return f'<p><img alt="What the cell draws" src="data:image/png;base64,{data["image/png"].strip()}"></p>'
    if "text/html" in data:
        return f'<div class="output">{re.sub(chr(10) + "+", chr(10), data["text/html"])}</div>'
    return f"```text\n{data['text/plain']}\n```"
