"""Figures of the package's structure: sizes, names, imports, docstrings.

    python scripts/house.py             # of this checkout
    python scripts/house.py CHECKOUT    # of another one
    python scripts/house.py --list      # with the places behind each figure

It reads the files as text and imports nothing of them.
"""

import argparse
import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MAX_FUNCTION_LINES = 50
MAX_PARAMETERS = 7
ODD_FIRST_WORDS = {"What", "Of", "Those", "Whether"}
# Lines of this form ask whether there are several workers.
ASKS_FOR_WORKERS = re.compile(
    r"\b(team|workers|worker_group|strategy)\b (is|is not) None\b"
    r"|\bif (not )?(self\._?)?(team|workers|worker_group)\b"
    r"|\b(team|workers|worker_group)\.(workers|size|n_workers) (==|>|!=) 1\b"
    r"|\b(strategy_of|team_of|workers_of)\(|\.is_chief\b"
)
WORKER_ROOM = "training/distribution/"
OLD_WORKER_ROOM = {"training/team.py", "training/team_saver.py", "training/dealing.py"} | {
    "training/distributed.py",
    "training/replicas.py",
    "training/gradients.py",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Module(NamedTuple):
    """A file of the package: its path below `kerasnn/`, its text and its tree."""

    path: str
    text: str
    tree: ast.Module


class Figure(NamedTuple):
    """One line of the output: what was counted, its value, and the places."""

    name: str
    value: float
    places: list[str]


def read(package: Path) -> list[Module]:
    """Every Python file of a package."""
    return [
        Module(path.relative_to(package).as_posix(), text, ast.parse(text))
        for path in sorted(package.rglob("*.py"))
        for text in [path.read_text()]
    ]


def functions(module: Module) -> Iterator[Function]:
    """Every function and method of a module, nested ones included."""
    for node in ast.walk(module.tree):
        if isinstance(node, Function):
            yield node


def body_lines(function: Function) -> int:
    """Lines from the first statement after the docstring to the last one."""
    body = function.body[ast.get_docstring(function) is not None :]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def parameters(function: Function) -> list[str]:
    """Names of the parameters, without self and cls."""
    a = function.args
    names = [arg.arg for arg in (*a.posonlyargs, *a.args, *a.kwonlyargs)]
    return [name for name in names if name not in {"self", "cls"}]


def public_definitions(module: Module) -> set[str]:
    """Public classes, functions and constants that stand at the top of a module."""
    names = set()
    for node in module.tree.body:
        if isinstance(node, (*Function.__args__, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {t.id for t in node.targets if isinstance(t, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return {name for name in names if not name.startswith("_")}


def imports(module: Module, known: set[str]) -> set[str]:
    """Files of the package that a module imports, under TYPE_CHECKING as well."""
    found = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names.append(node.module)
        else:
            continue
        for name in names:
            path = name.removeprefix("kerasnn.").replace(".", "/")
            if name.startswith("kerasnn.") and f"{path}.py" in known:
                found.add(f"{path}.py")
    return found - {module.path}


def circles(modules: list[Module]) -> list[str]:
    """Groups of files that import each other in a loop."""
    known = {module.path for module in modules}
    direct = {module.path: imports(module, known) for module in modules}
    reached: dict[str, set[str]] = {}
    for path in direct:
        seen: set[str] = set()
        todo = list(direct[path])
        while todo:
            there = todo.pop()
            if there not in seen:
                seen.add(there)
                todo += direct[there]
        reached[path] = seen
    loops = {
        tuple(sorted(b for b in reached[a] if a in reached[b]))
        for a in reached
        if a in reached[a]
    }
    return [" ".join(loop) for loop in sorted(loops)]


def docstrings(module: Module) -> Iterator[tuple[int, str]]:
    """Line and text of every docstring of a module."""
    for node in ast.walk(module.tree):
        if isinstance(node, (*Function.__args__, ast.ClassDef, ast.Module)):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text


def figures(modules: list[Module]) -> list[Figure]:
    """Everything that is counted."""
    sizes = [(m, f, body_lines(f)) for m in modules for f in functions(m)]
    long = [
        f"{m.path}:{f.lineno} {f.name}: {n}" for m, f, n in sizes if n > MAX_FUNCTION_LINES
    ]
    wide = [
        f"{m.path}:{f.lineno} {f.name}: {len(parameters(f))}"
        for m, f, _ in sizes
        if len(parameters(f)) > MAX_PARAMETERS
    ]
    homes: dict[str, list[str]] = {}
    for m in modules:
        for name in public_definitions(m):
            homes.setdefault(name, []).append(m.path)
    twice = [f"{n}: {' '.join(p)}" for n, p in sorted(homes.items()) if len(p) > 1]
    folders: dict[str, int] = {}
    for m in modules:
        folder, _, file = m.path.rpartition("/")
        folders[folder] = folders.get(folder, 0) + (file != "__init__.py")
    odd = [
        f"{m.path}:{line} {text.splitlines()[0]}"
        for m in modules
        for line, text in docstrings(m)
        if text.split()[0] in ODD_FIRST_WORDS
    ]
    asking = [
        f"{m.path}:{number} {line.strip()}"
        for m in modules
        if not m.path.startswith((WORKER_ROOM, "serving/"))
        and m.path not in OLD_WORKER_ROOM
        for number, line in enumerate(m.text.splitlines(), 1)
        if ASKS_FOR_WORKERS.search(line)
    ]
    largest = sorted(folders.items(), key=lambda item: -item[1])
    loops = circles(modules)
    return [
        Figure("lines of Python", sum(m.text.count("\n") for m in modules), []),
        Figure("modules", len(modules), []),
        Figure(
            "lines of a module, median",
            statistics.median(m.text.count("\n") for m in modules),
            [],
        ),
        Figure("lines of a function, median", statistics.median(n for *_, n in sizes), []),
        Figure(f"functions over {MAX_FUNCTION_LINES} lines", len(long), long),
        Figure(f"functions with more than {MAX_PARAMETERS} parameters", len(wide), wide),
        Figure("public names defined in two modules or more", len(twice), twice),
        Figure(
            "modules in the largest folder",
            largest[0][1],
            [f"{folder or '.'}: {n}" for folder, n in largest],
        ),
        Figure("circles of imports", len(loops), loops),
        Figure("lines that ask for several workers", len(asking), asking),
        Figure("docstrings that begin with What, Of, Those or Whether", len(odd), odd),
    ]


def main() -> None:
    """Print the figures of a checkout."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    here = Path(__file__).parents[1]
    parser.add_argument("checkout", nargs="?", type=Path, default=here)
    parser.add_argument("--list", action="store_true", help="the places behind each figure")
    arguments = parser.parse_args()
    for figure in figures(read(arguments.checkout / "kerasnn")):
        print(f"{figure.value:>8g}  {figure.name}")
        for place in figure.places if arguments.list else ():
            print(f"{'':10}{place}")


if __name__ == "__main__":
    main()
