"""Train a small network on a store. Run it again to resume from its checkpoint.

python examples/train_loop.py challenge.h5 --epochs 10
"""

import argparse
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

import ecgstore
from ecgstore import pipes

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("store")
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--batch-size", type=int, default=64)
parser.add_argument("--checkpoint", type=Path, default="train_loop.pt")
parser.add_argument("--save-every", type=int, default=100, help="steps")
options = parser.parse_args()

device = "cuda" if torch.cuda.is_available() else "cpu"
store = ecgstore.open(options.store)
train = store.select(folds=range(8))

torch.manual_seed(0)
model = nn.Sequential(
    *(nn.Conv1d(12, 32, 15, stride=5), nn.BatchNorm1d(32), nn.ReLU()),
    *(nn.Conv1d(32, 64, 9, stride=4), nn.BatchNorm1d(64), nn.ReLU()),
    *(nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(64, len(store.label_names))),
).to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
loader = pipes.loader(train, options.batch_size, shuffle=True, seed=0, device=device)

parts = {"model": model, "optimizer": optimizer, "loader": loader}
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
        if step % options.save_every == 0 or loader.epoch > epoch:
            # Atomically: if the process is killed here, the old checkpoint is intact.
            partial = options.checkpoint.with_suffix(".partial")
            torch.save({name: p.state_dict() for name, p in parts.items()}, partial)
            partial.replace(options.checkpoint)
    print(f"epoch {epoch}: loss of the last batch {loss.item():.3f}")
