"""What spec/README.md says of the pages and of the package."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from .breaking import ROOT

PACKAGE = ROOT / "eegarchive"


def rooms() -> list[list[str]]:
    """Lines of the drawing: names of modules, those of storage/ with its name before."""
    text = (ROOT / "spec" / "README.md").read_text(encoding="utf-8")
    drawing = re.search(r"## The rooms of the package.*?```\n(.*?)```", text, re.DOTALL)
    assert drawing is not None
    lines, inside = [], ""
    for line in drawing[1].splitlines():
        names = re.findall(r"[a-z_]+/?", line[:40])
        if names == ["storage/"]:
            inside = "storage."
        elif names:
            inside = inside if line.startswith(" |  ") else ""
            lines.append([inside + name for name in names])
    return lines


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    if len(parts) > 1 and parts[0] != "storage":
        return parts[0]  # a package that is drawn as one
    return ".".join(part for part in parts if part != "__init__" or len(parts) == 1)


def imports_of(path: Path) -> set[str]:
    """Modules of the package that a module imports, at its top or inside."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "eegarchive":
            base = (node.module or "").partition(".")[2]
            names = (
                [f"{base}.{alias.name}".strip(".") for alias in node.names]
                if base in ("", "storage")
                else [base]
            )
            found |= {name if name.startswith("storage.") else name.split(".")[0] for name in names}
    return found


def test_every_module_is_drawn_once_and_imports_from_below() -> None:
    drawn = [name for line in rooms() for name in line]
    modules = {module_of(path): path for path in PACKAGE.rglob("*.py")} | {
        "cli": PACKAGE / "cli" / "__init__.py"
    }
    assert sorted(drawn) == sorted(set(modules) - {"storage"})
    depth = {name: i for i, line in enumerate(rooms()) for name in line}
    for path in PACKAGE.rglob("*.py"):
        name = module_of(path)
        for other in imports_of(path) - {name}:
            assert depth[other] > depth[name], f"{name} imports {other}"


def test_every_page_is_in_the_index_and_has_its_sections() -> None:
    index = (ROOT / "spec" / "README.md").read_text(encoding="utf-8")
    for page in sorted((ROOT / "spec").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        if page.name != "README.md":
            assert f"[{page.name}]({page.name})" in index
        if "## Clauses" in text:
            sections = re.findall(r"^## (.*)$", text, re.MULTILINE)
            assert sections[0] == "Clauses"
            assert sections[-2:] == ["When a clause is broken", "Change log"]
            assert re.match(r"# .*\n\n\w", text), f"{page.name}: why first"
            assert "```console" in text.partition("## Clauses")[0]


def test_links_lead_somewhere() -> None:
    for page in (ROOT / "spec").glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
