"""The public names, the documentation, and the versions are what they claim."""

import ast
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
STUBS = sorted(
    [
        *(ROOT / "ecgstore").glob("**/__init__.pyi"),
        *(ROOT / "pipes").glob("**/__init__.pyi"),
        *(ROOT / "models").glob("**/__init__.pyi"),
    ]
)


def package_of(path: Path) -> str:
    """Return the import name of the package that a file is in."""
    parts = path.parent.relative_to(ROOT).parts
    return ".".join(parts if parts[0] == "ecgstore" else ("ecgstore", *parts))


PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
PUBLIC = {package_of(stub): stub for stub in STUBS}


def names_in(stub: Path) -> set[str]:
    """Return the names that type checkers see in a stub."""
    names: set[str] = set()
    for statement in ast.parse(stub.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in statement.names}
        elif isinstance(statement, ast.Assign):
            names |= {
                target.id
                for target in statement.targets
                if isinstance(target, ast.Name)
            }
    return names


@pytest.mark.parametrize("package", PUBLIC)
def test_every_name_in_a_stub_can_be_imported(package: str) -> None:
    module = importlib.import_module(package)
    names = names_in(PUBLIC[package])
    assert names
    assert set(module.__all__) == names
    for name in names:
        assert getattr(module, name) is not None
        assert name in dir(module)
    with pytest.raises(AttributeError, match="nonsense"):
        module.nonsense  # noqa: B018


def test_open_opens_a_store(sample_store: Path) -> None:
    assert isinstance(ecgstore.open(sample_store), ecgstore.Store)


@pytest.mark.parametrize("package", PUBLIC)
def test_importing_a_package_loads_nothing_heavy(package: str) -> None:
    heavy = "{'torch', 'torchdata', 'numba', 'pandas', 'neurokit2', 'h5py', 'scipy'}"
    code = f"import sys, {package}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["pipes.loader", "models.create_model"])
def test_packages_without_torch_say_what_to_install(name: str) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from ecgstore import models, pipes\n"
        f"try:\n    {name}\n"
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


def test_every_package_is_built() -> None:
    """Run setup.py as far as the list of its packages: every folder of code."""
    code = (
        "import setuptools, distutils.core\n"
        "made = distutils.core.run_setup('setup.py', stop_after='init')\n"
        "print(*made.packages)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    folders = [
        package_of(path)
        for name in ("ecgstore", "pipes", "models")
        for path in (ROOT / name).glob("**/__init__.py")
    ]
    built = done.stdout.split()
    assert sorted(built) == sorted(set(folders))


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


def test_the_page_of_python_lists_every_public_name() -> None:
    text = (ROOT / "docs" / "python.md").read_text().partition("## Every public")[2]
    listed = set(re.findall(r"`(?:ecgstore\.)?(\w+)`", text))
    assert listed == set(dir(ecgstore)) - {"__version__"}


def test_files_named_in_pages_exist() -> None:
    for page in PAGES:
        for name in re.findall(r"`((?:tests|docs|bench)/[\w./]+)`", page.read_text()):
            assert (ROOT / name).exists(), f"{page.name}: {name}"


def blocks_of(page: Path) -> list[str]:
    """Return the blocks of Python of a page, but those marked `python skip`."""
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.mark.parametrize(
    "page", [str(page.relative_to(ROOT)) for page in PAGES if blocks_of(page)]
)
def test_python_in_pages_runs(
    page: str,
    sample_store: Path,
    sample_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("challenge.h5", "demo.h5"):
        shutil.copy(sample_store, tmp_path / name)
    with ecgstore.open(sample_store) as store:
        for source in ("ptb-xl", "georgia"):
            some = store.select(sources=[source])
            ecgstore.write_subset(some, tmp_path / f"{source}.h5")
    (tmp_path / "runs" / "cnn").mkdir(parents=True)
    shutil.copy(sample_checkpoint, tmp_path / "runs" / "cnn" / "model.safetensors")
    monkeypatch.chdir(tmp_path)
    blocks = blocks_of(ROOT / page)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)


def test_no_module_of_the_core_may_import_torch() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    [ban] = [contract for contract in contracts if contract["type"] == "forbidden"]
    modules = {
        f"ecgstore.{path.stem}"
        for path in (ROOT / "ecgstore").iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").exists())
        and not path.stem.startswith("__")
    }
    assert set(ban["source_modules"]) == modules - {"ecgstore.pipes", "ecgstore.models"}


def test_links_between_pages_have_a_target() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
