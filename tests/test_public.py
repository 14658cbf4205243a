"""The public names, the documentation, and the versions are what they claim."""

import importlib
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import ecgstore

ROOT = Path(__file__).resolve().parent.parent


LAZY = ("ecgstore", "ecgstore.pipes")


@pytest.mark.parametrize("package", LAZY)
def test_public_names_are_there(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__all__ == sorted(module.__all__, key=_as_ruff_sorts)
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert name in dir(module)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        module.nonsense  # noqa: B018


def _as_ruff_sorts(name: str) -> tuple[int, str]:
    kind = 0 if name.isupper() else 1 if name[0].isupper() else 2
    return kind, name


@pytest.mark.parametrize("package", LAZY)
def test_lazy_names_are_those_that_type_checkers_see(package: str) -> None:
    module = importlib.import_module(package)
    text = Path(str(module.__file__)).read_text()
    block = text.partition("if TYPE_CHECKING:")[2].partition("\n\n")[0]
    names = set(re.findall(r"\b\w+\b(?=,|\n|\)|$)", block)) & set(module.__all__)
    assert names | ({"open"} & set(module.__all__)) == set(module.__all__)


def test_importing_the_packages_loads_nothing_heavy() -> None:
    code = (
        "import sys, ecgstore.pipes; "
        "print(sorted({'torch', 'torchdata', 'numba', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_pipes_without_torch_say_what_to_install() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from ecgstore import pipes\n"
        "try:\n    pipes.loader\n"
        "except ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert 'pip install "ecgstore[torch]"' in done.stdout


def test_sub_packages_have_their_import_names() -> None:
    for name in ("pipes", "models"):
        module = importlib.import_module(f"ecgstore.{name}")
        assert module.__name__ == f"ecgstore.{name}"
        assert name not in sys.modules or not str(
            getattr(sys.modules[name], "__file__", "")
        ).startswith(str(ROOT))


def test_every_package_goes_into_the_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = set(project["tool"]["setuptools"]["packages"])
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "ecgstore").rglob("__init__.py")
    }
    assert found | {"ecgstore.pipes", "ecgstore.models"} == listed


def test_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == ecgstore.__version__
    assert f"## [{ecgstore.__version__}]" in (ROOT / "CHANGELOG.md").read_text()
    assert f"version: {ecgstore.__version__}" in (ROOT / "CITATION.cff").read_text()


def test_generated_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_files_named_in_pages_exist() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for name in re.findall(r"`((?:tests|docs|bench)/[\w./]+)`", page.read_text()):
            assert (ROOT / name).exists(), f"{page.name}: {name}"


@pytest.mark.parametrize(
    "page", ["README.md", "docs/format.md", "docs/models.md", "docs/pipes.md"]
)
def test_python_in_pages_runs(
    page: str, sample_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(sample_store, tmp_path / "challenge.h5")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)


def test_no_module_of_the_core_escapes_the_ban_of_torch() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    [ban] = [each for each in contracts if each["type"] == "forbidden"]
    modules = {
        f"ecgstore.{path.stem}"
        for path in (ROOT / "ecgstore").iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").exists())
        and not path.stem.startswith("__")
    }
    assert set(ban["source_modules"]) == modules - {"ecgstore.pipes", "ecgstore.models"}


def test_links_between_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
