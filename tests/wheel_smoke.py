"""Install the wheel alone into a new environment and use it away from the checkout.

Usage: python tests/wheel_smoke.py DIST CONSTRAINTS
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Build, inspect, verify and plot the sample with nothing but the wheel."""
    dist, constraints = (Path(argument).resolve() for argument in sys.argv[1:])
    [wheel] = dist.glob("*.whl")
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder, "environment")
        run(folder, sys.executable, "-m", "venv", environment)
        python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
        quiet = ("--quiet", "--disable-pip-version-check")
        run(folder, python, "-m", "pip", "install", *quiet, "-c", constraints, wheel)
        ecgstore = (python, "-m", "ecgstore")
        build = ("build", "--sample", "-o", "demo.h5", "--beats", "none", "--quiet")
        run(folder, *ecgstore, *build)
        run(folder, *ecgstore, "info", "demo.h5")
        run(folder, *ecgstore, "verify", "demo.h5")
        run(folder, *ecgstore, "plot", "demo.h5", "HR00001")
        without_torch = run_failing(folder, *ecgstore, "compare", "demo.h5", "-o", "x")
        assert 'pip install "ecgstore[torch]"' in without_torch, without_torch
        without_view = run_failing(folder, *ecgstore, "view", "demo.h5")
        assert 'pip install "ecgstore[view]"' in without_view, without_view
        page = "importlib.resources.files('ecgstore.view') / 'page' / 'index.html'"
        run(folder, python, "-c", f"import importlib.resources; ({page}).read_bytes()")
        imports = "import ecgstore.pipes, ecgstore.models; print(ecgstore.__file__)"
        run(folder, python, "-c", imports)
    print("the wheel works outside the checkout")


def run(folder: str, *command: object) -> None:
    """Run a command in a folder, without what this environment would add."""
    words = [str(word) for word in command]
    print("$", *words, flush=True)
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(words, cwd=folder, env=clean, check=True)


def run_failing(folder: str, *command: object) -> str:
    """Run a command that must end with exit 1; return its messages."""
    words = [str(word) for word in command]
    print("$", *words, flush=True)
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ended = subprocess.run(words, cwd=folder, env=clean, capture_output=True, text=True)
    assert ended.returncode == 1, ended
    return ended.stderr


if __name__ == "__main__":
    main()
