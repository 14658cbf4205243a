"""The loaders that are compared: their names, classes and environments."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.loading.measurements import MEMCPY, MEMMAP, PREADV
from bench.loading.subprocesses import REPOSITORY, LoaderClass

ECGSTORE: Final = "ecgstore"
TUNED: Final = "DataLoader, tuned h5py"
STATEFUL: Final = "StatefulDataLoader, tuned h5py"

_READERS: Final = "bench.loading.readers"
_PEERS: Final = "bench.loading.peers"

CEILING: Final = {MEMCPY: LoaderClass(f"{_READERS}.with_numpy", "Memcpy")}
COLD_CEILING: Final = {PREADV: LoaderClass(f"{_READERS}.with_numpy", "ManyReaders")}

LOADERS: Final = {
    ECGSTORE: LoaderClass(f"{_READERS}.with_ecgstore", "Ecgstore"),
    MEMMAP: LoaderClass(f"{_READERS}.with_numpy", "Memmap"),
    "DataLoader, h5py": LoaderClass(f"{_READERS}.with_h5py", "Plain"),
    "DataLoader, h5py, 2 workers": LoaderClass(f"{_READERS}.with_h5py", "Plain2"),
    TUNED: LoaderClass(f"{_READERS}.with_h5py", "Tuned"),
    f"{TUNED}, 2 workers": LoaderClass(f"{_READERS}.with_h5py", "Tuned2"),
    STATEFUL: LoaderClass(f"{_READERS}.with_torchdata", "Stateful"),
}

BLOCKS: Final = {
    "ecgstore, in blocks": LoaderClass(f"{_READERS}.with_ecgstore", "Blocks")
}
"""For a cold disk, where reading neighbouring rows may be faster."""

RESUMABLE: Final = {name: LOADERS[name] for name in (ECGSTORE, STATEFUL)}

BESIDE_PEERS: Final = {
    name: LOADERS[name] for name in (ECGSTORE, MEMMAP, TUNED, STATEFUL)
}
"""The loaders of ecgstore's environment that peers are compared with."""

PEER_WORKLOADS: Final = ("shuffled int16", "shuffled float32 mV", "sequential int16")
"""The workloads that all peers support."""


@dataclass(frozen=True)
class Peer:
    """A loader of another project.

    Attributes
    ----------
    module, name : str
        Its module and class.
    environment : str
        Folder of its environment, in the root of the repository.
    """

    module: str
    name: str
    environment: str = ".venv-peers"


PEERS: Final = {
    "webdataset": Peer(f"{_PEERS}.with_webdataset", "Webdataset"),
    "mosaicml-streaming": Peer(f"{_PEERS}.with_mosaic", "Mosaic", ".venv-peers-mosaic"),
    "litdata": Peer(f"{_PEERS}.with_litdata", "Litdata"),
    "Hugging Face datasets": Peer(f"{_PEERS}.with_datasets", "Datasets"),
    "grain, ArrayRecord": Peer(f"{_PEERS}.with_grain", "Records"),
    "grain, np.memmap": Peer(f"{_PEERS}.with_grain", "Memmapped"),
    "zarr, zarrs": Peer(f"{_PEERS}.with_zarr", "Zarr"),
    "spdl, np.memmap": Peer(f"{_PEERS}.with_spdl", "Spdl"),
}

_AT_URL: Final = f"{_READERS}.with_ecgstore_at_url"
_REMOTE: Final = f"{_PEERS}.remote"
_MOSAIC: Final = ".venv-peers-mosaic"

CACHED: Final = "ecgstore"
UNCACHED: Final = "ecgstore, cache=None"

STREAMERS: Final = {
    CACHED: LoaderClass(_AT_URL, "Cached"),
    UNCACHED: LoaderClass(_AT_URL, "Uncached"),
}
ROW_READERS: Final = {CACHED: LoaderClass(_AT_URL, "Rows")}
LOCAL: Final = LoaderClass(_AT_URL, "Local")

STREAMING_PEERS: Final = {
    "webdataset": Peer(f"{_REMOTE}.with_webdataset", "Webdataset"),
    "mosaicml-streaming": Peer(f"{_REMOTE}.with_mosaic", "Mosaic", _MOSAIC),
    "litdata": Peer(f"{_REMOTE}.with_litdata", "Litdata"),
    "Hugging Face datasets": Peer(f"{_REMOTE}.with_datasets", "Datasets"),
    "h5py + obstore": Peer(f"{_REMOTE}.with_h5py", "ObstoreBlocks"),
    "h5py + fsspec": Peer(f"{_REMOTE}.with_h5py", "FsspecBlocks"),
}
"""Loaders that stream shuffled records; see `bench.loading.remote_peers`."""

ROW_READING_PEERS: Final = {
    "mosaicml-streaming": Peer(f"{_REMOTE}.with_mosaic", "Rows", _MOSAIC),
    "litdata": Peer(f"{_REMOTE}.with_litdata", "Rows"),
    "h5py + obstore": Peer(f"{_REMOTE}.with_h5py", "ObstoreRows"),
    "h5py + fsspec": Peer(f"{_REMOTE}.with_h5py", "FsspecRows"),
}
"""Those that return any record by its number."""

REMOTE_FILES: Final = {
    "webdataset": STREAMING_PEERS["webdataset"],
    "mosaicml-streaming": PEERS["mosaicml-streaming"],
    "litdata": PEERS["litdata"],
    "Hugging Face datasets": STREAMING_PEERS["Hugging Face datasets"],
}
"""Who writes the files of a peer that has files of its own."""


ENVIRONMENTS: Final = REPOSITORY
"""The folder in which `make bench-peers` makes the environments of peers."""


def classes_of(peers: Mapping[str, Peer], environments: Path) -> dict[str, LoaderClass]:
    """Return the classes of some peers, with the interpreters of their environments.

    Parameters
    ----------
    peers : Mapping
        Peers by name.
    environments : Path
        The folder of the environments, see `ENVIRONMENTS`.

    Raises
    ------
    SystemExit
        If the environment of a peer is missing.
    """
    classes = {}
    for name, peer in peers.items():
        environment = environments / peer.environment
        if not (environment / "installed").exists():
            raise SystemExit(
                f"{environment}: expected the environment of {name}; make it and "
                f"measure by 'make bench-peers', make it alone by "
                f"'make {peer.environment}/installed', or name others with --only"
            )
        python = environment / "bin" / "python"
        classes[name] = LoaderClass(peer.module, peer.name, str(python))
    return classes
