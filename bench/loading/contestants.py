"""Who takes part in the benchmarks of loading, and where their classes are."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.loading.parts import MEMCPY, MEMMAP, READERS
from bench.loading.turns import Kind

ECGSTORE: Final = "ecgstore"
TUNED: Final = "DataLoader, tuned h5py"
STATEFUL: Final = "StatefulDataLoader, tuned h5py"

CEILING: Final = {MEMCPY: Kind("pipes_with_numpy", "Memcpy")}
COLD_CEILING: Final = {READERS: Kind("pipes_with_numpy", "ManyReaders")}

LOADERS: Final = {
    ECGSTORE: Kind("pipes_with_ecgstore", "Ecgstore"),
    MEMMAP: Kind("pipes_with_numpy", "Memmap"),
    "DataLoader, h5py": Kind("pipes_with_h5py", "Plain"),
    "DataLoader, h5py, 2 workers": Kind("pipes_with_h5py", "Plain2"),
    TUNED: Kind("pipes_with_h5py", "Tuned"),
    "DataLoader, tuned h5py, 2 workers": Kind("pipes_with_h5py", "Tuned2"),
    STATEFUL: Kind("pipes_with_torchdata", "Stateful"),
}

BLOCKS: Final = {"ecgstore, in blocks": Kind("pipes_with_ecgstore", "Blocks")}
"""For a cold disk, where reading neighbours might pay."""

RESUMABLE: Final = {name: LOADERS[name] for name in (ECGSTORE, STATEFUL)}

BESIDE_PEERS: Final = {
    name: LOADERS[name] for name in (ECGSTORE, MEMMAP, TUNED, STATEFUL)
}
"""Those of the environment of ecgstore that the peers are measured beside."""

PEER_WORKLOADS: Final = ("shuffled int16", "shuffled float32 mV", "sequential int16")
"""What all peers can be asked for."""

ENVIRONMENTS: Final = Path(__file__).resolve().parent.parent
"""The folder of the peers' environments, which `make bench-peers` makes."""


@dataclass(frozen=True)
class Peer:
    """Another loader, in an environment of its own.

    Attributes
    ----------
    module, name : str
        Its class, in the folder ``peers``.
    environment : str
        The folder of its environment.
    """

    module: str
    name: str
    environment: str = ".venv-peers"


PEERS: Final = {
    "webdataset": Peer("with_webdataset", "Webdataset"),
    "mosaicml-streaming": Peer("with_mosaic", "Mosaic", ".venv-peers-mosaic"),
    "litdata": Peer("with_litdata", "Litdata"),
    "Hugging Face datasets": Peer("with_datasets", "Datasets"),
    "grain, ArrayRecord": Peer("with_grain", "Records"),
    "grain, np.memmap": Peer("with_grain", "Memmapped"),
    "zarr, zarrs": Peer("with_zarr", "Zarr"),
    "spdl, np.memmap": Peer("with_spdl", "Spdl"),
}


def kinds_of(peers: Mapping[str, Peer], environments: Path) -> dict[str, Kind]:
    """Return where the peers are found, or end the program if one is not installed."""
    folder = Path(__file__).resolve().parent / "peers"
    kinds = {}
    for name, peer in peers.items():
        environment = environments / peer.environment
        if not (environment / "installed").exists():
            raise SystemExit(
                f"{environment}: expected the environment of {name}; make it and "
                f"measure by 'make bench-peers', make it alone by "
                f"'make {peer.environment}/installed', or name others with --only"
            )
        python = environment / "bin" / "python"
        kinds[name] = Kind(peer.module, peer.name, str(python), str(folder))
    return kinds
