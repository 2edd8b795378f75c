"""Type stubs for the import paths of earlier releases, made from the table that serves them at run time.

Type checkers do not run the finder of `airbyte_cdk._published`. The build of a wheel puts these stubs into it. Where
the package is used from its sources, ``python -m airbyte_cdk._published_stubs`` installs them beside it, as the partial
stub package ``airbyte_cdk-stubs`` (PEP 561). docs/design/import-paths.md tells more.
"""

from __future__ import annotations

import ast
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from airbyte_cdk._published import MODULES, OPENED, PACKAGES

_ROOT = "airbyte_cdk"


def stubs(package: Path) -> Iterator[tuple[Path, str]]:
    """The stubs: path below the package's folder, and text.

    Nothing is imported; what an old module holds is read off the source of its owner.

    Args:
        package: The folder with the sources of ``airbyte_cdk``.
    """
    for old, owner in MODULES.items():
        names = dict.fromkeys(_defined(_source(package, owner).read_text(encoding="utf-8")), owner)
        yield _path(old, is_package=False), _text(names)
    for old, owners in PACKAGES.items():
        yield _path(old, is_package=True), _text(owners)
    for name in OPENED:
        source = _source(package, name)
        if source.name != "__init__.py":
            # for a type checker it must be a package, and then it no longer sees the module: so here it is again
            yield _path(name, is_package=True), source.read_text(encoding="utf-8")


def write(package: Path, target: Path) -> list[Path]:
    """Write all stubs below `target`; returns their paths. `package` is as in `stubs`."""
    written = []
    for path, text in stubs(package):
        file = target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        written.append(file)
    return written


def install(site_packages: Path) -> Path:
    """Write the stub package ``airbyte_cdk-stubs`` into a folder of installed packages; returns its path."""
    target = site_packages / f"{_ROOT}-stubs"
    write(Path(__file__).parent, target)
    (target / "py.typed").write_text("partial\n", encoding="utf-8")
    return target


def _path(module: str, *, is_package: bool) -> Path:
    parts = module.split(".")[1:]
    return Path(*parts, "__init__.pyi") if is_package else Path(*parts).with_suffix(".pyi")


def _source(package: Path, module: str) -> Path:
    path = package.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _text(owners: Mapping[str, str]) -> str:
    lines = ['"""An import path of an earlier release; see airbyte_cdk._published."""', ""]
    lines += [f"from {owner} import {name} as {name}" for name, owner in sorted(owners.items())]
    return "\n".join(lines) + "\n"


def _defined(source: str) -> set[str]:
    """The names that a module defines, or offers in its ``__all__``."""
    return {name for name in _bound(ast.parse(source).body) if not name.startswith("__")}


def _bound(body: Iterable[ast.stmt]) -> Iterator[str]:
    for node in body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List(elts=elements)):
                yield from (str(ast.literal_eval(element)) for element in elements)
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.If(body=inner, orelse=other):
                yield from _bound([*inner, *other])
            case ast.Try(body=inner, handlers=handlers, orelse=other):
                yield from _bound([*inner, *other, *(node for handler in handlers for node in handler.body)])


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(sysconfig.get_path("purelib"))
    sys.stdout.write(f"{install(folder)}\n")
