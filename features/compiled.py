"""Compilation to machine code, with the types kept.

Numba keeps machine code on disk, stamped with the content of the file that a function stands in. What it calls, and the
constants that it reads, are compiled into it too and may stand in other files: here the stamp is of these as well.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import InTreeCacheLocator, UserProvidedCacheLocator, UserWideCacheLocator

Function = TypeVar("Function", bound=Callable[..., Any])

_ROOT = Path(__file__).parents[1]
_PACKAGES = ("experiments", "features", "serving", "training")
"""Ours: once installed they lie among everybody's, whose thousands of files nobody waits for."""
_IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+import\s+\(?\s*(\w+)|import\s+([\w.]+))", re.MULTILINE)


def compiled(function: Function) -> Function:
    """The function compiled by numba at its first call and kept on disk where the folder can be written.

    While it runs, other threads of Python may.
    """
    return cast(Function, numba.njit(cache=True, nogil=True)(function))


def sources_of(path: Path, root: Path) -> set[Path]:
    """A file of the project, what it imports of the project, what these import, and so on."""
    found, ahead = {path}, [path]
    while ahead:
        new = set(_imported(ahead.pop(), root)) - found
        found |= new
        ahead += new
    return found


@cache
def _imported(path: Path, root: Path) -> tuple[Path, ...]:
    text = path.read_text(encoding="utf-8")
    return tuple(one for match in _IMPORT.finditer(text) for one in _files_of(match, root))


def _files_of(match: re.Match[str], root: Path) -> Iterator[Path]:
    module, name, plain = match.groups()
    parts = (module or plain).split(".")
    base = root.joinpath(*parts)
    places = (base.with_suffix(".py"), base / "__init__.py", base / f"{name}.py")
    return (place for place in places if parts[0] in _PACKAGES and place.is_file())


@cache
def _stamp(path: Path) -> str:
    digests = [sha256(one.read_bytes()).hexdigest() for one in sorted(sources_of(path, _ROOT))]
    return sha256("".join(digests).encode()).hexdigest()


class _StampOfAll:
    _py_file: str

    def get_source_stamp(self) -> str:
        return _stamp(Path(self._py_file).resolve())


class Named(_StampOfAll, UserProvidedCacheLocator):
    """In ``NUMBA_CACHE_DIR``, where that is set."""


class BesideSource(_StampOfAll, InTreeCacheLocator):
    """In ``__pycache__``."""


class OfUser(_StampOfAll, UserWideCacheLocator):
    """In the user's own cache, where ``__pycache__`` cannot be written."""


_PLACES = [f"{__name__}.{place.__qualname__}" for place in (Named, BesideSource, OfUser)]
_OTHERS = ["IPythonCacheLocator", "ZipCacheLocator"]
"""Numba's own, for what is not in a file: a notebook may import this."""
numba.config.CACHE_LOCATOR_CLASSES = ",".join(_PLACES + _OTHERS)  # type: ignore[attr-defined]
