"""Builds the API reference: one static page a module, from the docstrings.

    python docs/build.py [folder]      # docs/_build by default

The sources are parsed, not imported, so neither TensorFlow nor anything else need be installed.
"""

from __future__ import annotations

import ast
import html
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "tfkit"
SECTIONS = ("Args", "Attributes", "Example", "Raises", "Returns", "Source", "Yields")
STYLE = """
body { max-width: 50rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 sans-serif }
code, pre { font: 14px/1.45 monospace }
pre { padding: .6rem .8rem; overflow-x: auto; background: #8881 }
h2, h3 { margin-top: 2.2rem; border-top: 1px solid #8884; padding-top: .8rem }
h3 { margin-left: 1.5rem } .method { margin-left: 1.5rem }
dt { font-weight: bold; font-family: monospace } .label { margin-bottom: 0; font-weight: bold }
:root { color-scheme: light dark }
"""
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>{style}</style>
<body>{body}</body></html>
"""


class Entry:
    """A class, method or function that has a docstring.

    Args:
        node: its syntax tree.
        owner: the class that it is a method of.
    """

    def __init__(self, node: ast.AST, owner: str = ""):
        self.name = node.name
        self.anchor = f"{owner}.{node.name}" if owner else node.name
        self.doc = ast.get_docstring(node) or ""
        self.is_class = isinstance(node, ast.ClassDef)
        self.methods, self.bases = [], []
        if self.is_class:
            self.bases = [ast.unparse(base) for base in node.bases]
            self.methods = _entries(node.body, node.name)
            init = next((x for x in node.body if getattr(x, "name", "") == "__init__"), None)
            self.signature = f"class {node.name}({_arguments(init) if init else ''})"
        else:
            kinds = {d.id for d in node.decorator_list if isinstance(d, ast.Name)}
            is_value = "property" in kinds
            self.signature = self.anchor + ("" if is_value else f"({_arguments(node)})")


def _public_bases(bases: list[str], classes: dict[str, ast.ClassDef]) -> list[str]:
    """Base classes by name, with what a private one inherits in its place."""
    found = []
    for name in bases:
        inner = classes.get(name) if name.startswith("_") else None
        above = [ast.unparse(base) for base in inner.bases] if inner else []
        found += _public_bases(above, classes) if inner else [name]
    return found


def _arguments(node: ast.FunctionDef) -> str:
    text = ast.unparse(node.args)
    return re.sub(r"^(self|cls)(, |$)", "", text)


def _entries(body: list[ast.stmt], owner: str = "") -> list[Entry]:
    kinds = (ast.FunctionDef, ast.ClassDef) if not owner else ast.FunctionDef
    public = [x for x in body if isinstance(x, kinds) and not x.name.startswith("_")]
    return [Entry(node, owner) for node in public if ast.get_docstring(node)]


def page_of(module: str) -> str:
    """Where a module is described: a private one with the room that it is in."""
    return module.partition("._")[0]


def modules(package: Path = PACKAGE) -> dict[str, ast.Module]:
    """Name -> syntax tree of every page's module, with what private ones of that room define."""
    found = {}
    for path in sorted(package.rglob("*.py"), key=lambda path: (path.name != "__init__.py", path)):
        name = ".".join(path.relative_to(package.parent).with_suffix("").parts)
        name = name.removesuffix(".__init__")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if page_of(name) == name:
            found[name] = tree
        else:
            found[page_of(name)].body += tree.body
    return dict(sorted(found.items()))


def build(folder: Path) -> list[Path]:
    """Writes all pages into `folder`; returns them, index.html first."""
    trees = modules()
    entries = {name: _entries(tree.body) for name, tree in trees.items()}
    links = {
        entry.name: f"{module}.html#{entry.anchor}"
        for module, found in entries.items()
        for entry in found
    }
    for name, found in entries.items():
        classes = {x.name: x for x in trees[name].body if isinstance(x, ast.ClassDef)}
        for entry in found:
            entry.bases = _public_bases(entry.bases, classes)
    folder.mkdir(parents=True, exist_ok=True)
    pages = {"index": _index(trees, links)}
    for name, tree in trees.items():
        doc = ast.get_docstring(tree) or ""
        body = [f'<p><a href="index.html">tfkit</a></p><h1>{name}</h1>', _prose(doc, links)]
        body += [_described(entry, links) for entry in entries[name]]
        pages[name] = "\n".join(body)
    written = []
    for name, body in pages.items():
        path = folder / f"{name}.html"
        path.write_text(PAGE.format(title=name, style=STYLE, body=body), encoding="utf-8")
        written.append(path)
    return written


def _index(trees: dict[str, ast.Module], links: dict[str, str]) -> str:
    public = {}
    for node in trees["tfkit"].body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "_MODULES":
            public = ast.literal_eval(node.value)
    names = [_inline(f"`{name}`", links) for listed in public.values() for name in listed]
    rows = []
    for name, tree in trees.items():
        first = (ast.get_docstring(tree) or "").split("\n\n")[0]
        rows.append(f'<dt><a href="{name}.html">{name}</a></dt><dd>{_inline(first, {})}</dd>')
    return (
        f"<h1>tfkit: API reference</h1>\n<p>{', '.join(names)}</p>\n"
        f"<h2>Modules</h2>\n<dl>\n{chr(10).join(rows)}\n</dl>"
    )


def _described(entry: Entry, links: dict[str, str]) -> str:
    level = 3 if not entry.is_class and "." in entry.anchor else 2
    kind = ' class="method"' if level == 3 else ""
    bases = ", ".join(_inline(f"`{name}`", links) for name in entry.bases)
    inherited = f"\n<p>Inherits from {bases}.</p>" if bases else ""
    return "\n".join(
        [
            f'<h{level} id="{entry.anchor}"><code>{html.escape(entry.signature)}</code></h{level}>',
            f"<div{kind}>{_prose(entry.doc, links)}{inherited}</div>",
            *(_described(method, links) for method in entry.methods),
        ]
    )


def _prose(doc: str, links: dict[str, str]) -> str:
    """A docstring in Google's form, as HTML."""
    return "\n".join(_block(block, links) for block in doc.split("\n\n"))


def _block(block: str, links: dict[str, str]) -> str:
    lines = block.splitlines()
    label, colon, rest = lines[0].partition(":") if lines else ("", "", "")
    if colon and label in SECTIONS:
        inside = [rest.strip(), *lines[1:]] if rest.strip() else lines[1:]
        return f'<p class="label">{label}</p>\n{_section(inside, links)}'
    if lines and all(line.startswith("    ") or not line for line in lines):
        return f"<pre>{html.escape(chr(10).join(line[4:] for line in lines))}</pre>"
    if any(line.startswith(("- ", "* ", "| ", "  ")) for line in lines):
        return f"<pre>{html.escape(block)}</pre>"
    return f"<p>{_inline(block, links)}</p>"


def _section(lines: list[str], links: dict[str, str]) -> str:
    text = "\n".join(line.removeprefix("    ") for line in lines)
    if not text:
        return ""
    items = re.split(r"\n(?=[\w*`])", text)
    pairs = [re.match(r"([\w*, `]+): (.*)", item, flags=re.DOTALL) for item in items]
    if not all(pairs):
        return f"<p>{_inline(text, links)}</p>"
    rows = [
        f"<dt>{html.escape(pair[1].strip('`'))}</dt><dd>{_inline(pair[2], links)}</dd>"
        for pair in pairs
    ]
    return f"<dl>{''.join(rows)}</dl>"


def _inline(text: str, links: dict[str, str]) -> str:
    """Text with `code` marked, and linked where it names something documented."""

    def code(match: re.Match) -> str:
        scope, _, name = match[1].removesuffix("()").rpartition(".")
        shown = f"<code>{match[1]}</code>"
        ours = name in links and scope.split(".")[0] in ("", "tfkit")
        return f'<a href="{links[name]}">{shown}</a>' if ours else shown

    text = re.sub(r"`([^`]+)`", code, html.escape(text, quote=False))
    return re.sub(r"(https?://[^\s)<]+[^\s)<.,;])", r'<a href="\1">\1</a>', text)


if __name__ == "__main__":
    pages = build(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "_build")
    print(f"{len(pages)} pages: {pages[0]}")
