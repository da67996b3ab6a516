"""What a service loads when it starts: nothing of how models come about, whatever modules there will be."""

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
MODELS = ("churn", "favourite_product", "lifetime_value", "send_time")
OURS = {"features", "experiments", "training", "serving"}
ONLY_TO_TRAIN = ("training.*_training", "training.*_evaluation")


@cache
def surface() -> tuple[tuple[str, ...], tuple[str, ...]]:
    packed = yaml.safe_load((ROOT / "bentofile.yaml").read_text())
    return tuple(packed["include"]), tuple(packed["exclude"])


def is_deployed(path: str) -> bool:
    included, excluded = surface()
    return any(fnmatch(path, name.replace("/**/", "/*")) for name in included) and not any(
        fnmatch(path, name) for name in excluded
    )


def file_of(module: str) -> Path | None:
    plain = ROOT / module.replace(".", "/")
    return next((file for file in (plain.with_suffix(".py"), plain / "__init__.py") if file.exists()), None)


def statements_at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Without those of functions, and without what only a checker of types reads."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
            yield from statements_at_import(statement.orelse)
        elif not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in ("body", "orelse", "finalbody"):
                yield from statements_at_import(getattr(statement, part, []))


def imports(file: Path) -> set[str]:
    """The modules of ours that are imported with a file's."""
    found: set[str] = set()
    for statement in statements_at_import(ast.parse(file.read_text()).body):
        if isinstance(statement, ast.Import):
            found |= {name.name for name in statement.names}
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            found |= {statement.module, *(f"{statement.module}.{name.name}" for name in statement.names)}
    return {module for module in found if module.partition(".")[0] in OURS and file_of(module)}


def loaded_with(modules: set[str]) -> dict[str, str]:
    """Each module that is loaded with these, and one that imports it."""
    found = dict.fromkeys(modules, "the service")
    waiting = list(modules)
    while waiting:
        importer = waiting.pop()
        for module in imports(file_of(importer) or ROOT / "missing"):
            if module not in found:
                found[module] = importer
                waiting.append(module)
    return found


def loaded_by_the_service() -> dict[str, str]:
    service = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for file in (ROOT / "serving").rglob("*.py")
        if is_deployed(str(file.relative_to(ROOT)))
    }
    return loaded_with(service | {f"training.models.{model}" for model in MODELS})


def test_what_the_service_loads_is_in_the_bento() -> None:
    loaded = loaded_by_the_service()

    files = {module: str((file_of(module) or ROOT).relative_to(ROOT)) for module in loaded}
    assert {module: loaded[module] for module, file in files.items() if not is_deployed(file)} == {}


def test_the_service_loads_nothing_that_is_there_to_train() -> None:
    loaded = loaded_by_the_service()

    to_train = {module for module in loaded if any(fnmatch(module, name) for name in ONLY_TO_TRAIN)}
    assert {module: loaded[module] for module in to_train} == {}
    assert {"training.registry", "training.models.churn"} <= set(loaded)


def test_an_import_within_a_function_is_none_at_import(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import training.pipeline\n"
        "def fit():\n    import training.tuning\n"
        "try:\n    from training import registry\nexcept ImportError:\n    pass\n"
    )

    assert imports(file) == {"training", "training.registry"}
