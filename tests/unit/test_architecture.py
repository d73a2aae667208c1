"""The direction of imports and the size of modules, read from the source."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMPONENTS = sorted((ROOT / "components").rglob("*.py"))
CORE = sorted((ROOT / "components" / "core").rglob("*.py"))
PROGRAMS = sorted((ROOT / "components" / "programs").rglob("*.py"))
POLICIES = sorted((ROOT / "policies").rglob("*.py"))
ALL = sorted(
    path
    for folder in ("components", "policies", "tools", "tests")
    for path in (ROOT / folder).rglob("*.py")
    if "modules" not in path.parts and ".venv" not in path.parts
)
IN_THE_IMAGE = ("huggingface_hub", "litellm", "psycopg", "starlette")
WIRING = (ROOT / "components" / "platform.py", ROOT / "components" / "gateway.py")
MOST_LINES = 300


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _imports(path: Path) -> Iterator[str]:
    """Full names of what a module imports: modules, and names out of modules."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _components(path: Path) -> set[str]:
    """Full names of the component classes that a module defines."""
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return {
        f"{module}.{node.name}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(base).endswith("ComponentResource") for base in node.bases)
    }


def _within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def test_the_source_is_where_these_tests_look() -> None:
    assert len(CORE) > 5
    assert len(POLICIES) > 5
    classes = {name.rpartition(".")[2] for path in COMPONENTS for name in _components(path)}
    assert classes >= {"Platform", "VllmServer", "OllamaServer", "LiteLlmGateway", "ModelCache"}


@pytest.mark.parametrize("path", CORE, ids=_name)
def test_core_is_pure(path: Path) -> None:
    """Policies and planner share it, so it must start fast and know nothing of resources."""
    for name in _imports(path):
        assert not _within(name, "pulumi", "pulumi_kubernetes", "pulumi_policy", "policies")
        assert not _within(name, "components") or _within(name, "components.core")


@pytest.mark.parametrize("path", POLICIES, ids=_name)
def test_policies_know_core_and_themselves_only(path: Path) -> None:
    for name in _imports(path):
        assert not _within(name, "tools", "tests")
        assert not _within(name, "components") or _within(name, "components.core")


@pytest.mark.parametrize("path", COMPONENTS, ids=_name)
def test_a_component_knows_no_tools_policies_or_tests(path: Path) -> None:
    assert not [name for name in _imports(path) if _within(name, "tools", "policies", "tests")]


@pytest.mark.parametrize("path", PROGRAMS, ids=_name)
def test_a_program_of_a_container_needs_nothing_that_its_image_lacks(path: Path) -> None:
    for name in _imports(path):
        assert name.partition(".")[0] in sys.stdlib_module_names or _within(
            name, "components.programs", *IN_THE_IMAGE
        )


@pytest.mark.parametrize("path", [p for p in COMPONENTS if p not in WIRING], ids=_name)
def test_a_component_never_imports_the_class_of_another(path: Path) -> None:
    """`platform` wires them, and `gateway` its own; the others hand over values."""
    others = {name for other in COMPONENTS if other != path for name in _components(other)}
    assert not others & set(_imports(path))
    assert path.name == "document.py" or "components.platform" not in {
        name.rpartition(".")[0] for name in _imports(path)
    }


@pytest.mark.parametrize("path", ALL, ids=_name)
def test_a_module_stays_readable_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_the_program_itself_is_a_page() -> None:
    assert len((ROOT / "__main__.py").read_text(encoding="utf-8").splitlines()) < 40
