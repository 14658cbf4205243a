"""Train with several processes, on GPUs if there are any; resume with any number.

torchrun --nproc-per-node=2 examples/ddp.py challenge.h5 --epochs 10
"""

import argparse
import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.parallel import DistributedDataParallel

import ecgstore
from ecgstore import pipes

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("store")
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--batch-size", type=int, default=64, help="per process")
parser.add_argument("--checkpoint", type=Path, default="ddp.pt")
parser.add_argument("--save-every", type=int, default=100, help="steps")
options = parser.parse_args()
if "LOCAL_RANK" not in os.environ:
    sys.exit(
        "this example must be started by torchrun, which starts all its processes: use "
        f"torchrun --nproc-per-node=2 examples/ddp.py {options.store}"
    )

on_gpu = torch.cuda.is_available()
local_rank = int(os.environ["LOCAL_RANK"])
device = torch.device("cuda", local_rank) if on_gpu else torch.device("cpu")
if on_gpu:
    torch.cuda.set_device(device)
dist.init_process_group("nccl" if on_gpu else "gloo")

store = ecgstore.open(options.store)
train = store.select(folds=range(8))

torch.manual_seed(0)
network = nn.Sequential(
    *(nn.Conv1d(12, 32, 15, stride=5), nn.ReLU()),
    *(nn.Conv1d(32, 64, 9, stride=4), nn.ReLU()),
    *(nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(64, len(store.label_names))),
).to(device)
model = DistributedDataParallel(network, [local_rank] if on_gpu else None)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
# Made after init_process_group, so it knows its rank. drop_last, so that every rank's
# gradient is a mean over as many records.
loader = pipes.loader(
    train, options.batch_size, shuffle=True, seed=0, device=device, drop_last=True
)

parts = {"network": network, "optimizer": optimizer, "loader": loader}
if options.checkpoint.exists():
    saved = torch.load(options.checkpoint, map_location=device)
    for name, part in parts.items():
        part.load_state_dict(saved[name])

while loader.epoch < options.epochs:
    epoch = loader.epoch
    for step, batch in enumerate(loader, start=1):
        logits = model(batch.signals)
        loss = binary_cross_entropy_with_logits(logits, batch.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        is_due = step % options.save_every == 0 or loader.epoch > epoch
        if is_due and dist.get_rank() == 0:  # the states of all ranks are the same
            partial = options.checkpoint.with_suffix(".partial")
            torch.save({name: p.state_dict() for name, p in parts.items()}, partial)
            partial.replace(options.checkpoint)
    if dist.get_rank() == 0:
        print(f"epoch {epoch}: loss of the last batch {loss.item():.3f}")
# Wait until all ranks are done, and rank 0 has saved, before the group is destroyed:
# otherwise a rank sometimes aborted here (SIGABRT) on a busy machine.
dist.barrier()
dist.destroy_process_group()
