"""Files that a package ships beside its code."""

from __future__ import annotations

import pkgutil
import sys
from pathlib import Path


def package_data(package: str, path: str) -> bytes | None:
    """The content of a file of a package, or None if the package does not have it.

    Args:
        package: Import name of the package. Files of a module that is no package are looked for beside it; so are
            those of a script, which is ``__main__``.
        path: Path of the file inside the package, with ``/``.
    """
    script = getattr(sys.modules.get("__main__"), "__file__", None) if package == "__main__" else None
    try:
        return (Path(script).parent / path).read_bytes() if script else pkgutil.get_data(package, path)
    except FileNotFoundError:
        return None
