"""Find files of data sets on the Hugging Face Hub by plain HTTP."""

import os
from pathlib import Path
from typing import Final
from urllib.parse import quote

from ecgstore.errors import EcgStoreError

HUB: Final = "hf://"

_ENDPOINT: Final = "https://huggingface.co"
_DATASETS: Final = "datasets"
_MAIN: Final = "main"


def http_of_hub(url: str) -> str:
    """Return the address of a file on the Hub, which leads to where its bytes are.

    The Hub is that of ``$HF_ENDPOINT``, if it is set.

    Parameters
    ----------
    url : str
        Such as ``hf://datasets/user/name/challenge.h5``, or, of another revision,
        ``hf://datasets/user/name@v1/challenge.h5``.

    Raises
    ------
    EcgStoreError
        If it is no such URL.

    Examples
    --------
    >>> http_of_hub("hf://datasets/user/name@v1/ecg/challenge.h5")
    'https://huggingface.co/datasets/user/name/resolve/v1/ecg/challenge.h5'
    """
    kind, *names = url.removeprefix(HUB).split("/")
    if kind != _DATASETS or len(names) < 3 or not all(names):
        raise EcgStoreError(
            f"{url}: names no file of a data set on the Hub; expected a URL such as "
            "hf://datasets/user/name/challenge.h5"
        )
    user, repository, *path = names
    name, _, revision = repository.partition("@")
    endpoint = (os.environ.get("HF_ENDPOINT") or _ENDPOINT).rstrip("/")
    return "/".join(
        [
            *(endpoint, _DATASETS, user, name),
            *("resolve", quote(revision or _MAIN, safe="")),
            *path,
        ]
    )


def hub_headers() -> dict[str, str]:
    """Return the headers that give access to private data sets, if there is a token.

    It is that of ``$HF_TOKEN``, or the one that ``hf auth login`` has kept.
    """
    token = os.environ.get("HF_TOKEN", "")
    if not token:
        home = os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface"
        path = os.environ.get("HF_TOKEN_PATH") or Path(home) / "token"
        try:
            token = Path(path).read_text(encoding="utf-8")
        except OSError:
            return {}
    token = token.strip()
    return {"authorization": f"Bearer {token}"} if token else {}
