"""Train with Lightning. Run it again to resume from its checkpoint, also mid-epoch.

pip install lightning
python examples/lightning_module.py challenge.h5 --steps 1000
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

import ecgstore
from ecgstore import pipes

try:
    import lightning
    from lightning.pytorch.callbacks import ModelCheckpoint
except ModuleNotFoundError:
    sys.exit("this example needs Lightning: pip install lightning")


class EcgData(lightning.LightningDataModule):
    """Training and validation records of a store."""

    def __init__(self, path: str, batch_size: int) -> None:
        super().__init__()
        self.store = ecgstore.open(path)
        self.batch_size = batch_size
        self.training: pipes.Loader | None = None
        self.saved: dict[str, Any] = {}

    # Loaders are made in these methods because Lightning calls them in every process
    # when rank and device are known. It adds no sampler to them.
    def train_dataloader(self) -> pipes.Loader:
        """Return batches of folds 0 to 7, in another order in every epoch."""
        if self.training is None:  # else Lightning continues the training
            self.training = self._loader(range(8), shuffle=True, drop_last=True)
            if self.saved:
                self.training.load_state_dict(self.saved)
        return self.training

    def val_dataloader(self) -> pipes.Loader:
        """Return batches of fold 8."""
        return self._loader([8])

    # Lightning itself restores a loader from checkpoints within an epoch, but not from
    # those at the end of an epoch. These methods do both.
    def state_dict(self) -> dict[str, Any]:
        """Return the state of the data for a checkpoint."""
        return {} if self.training is None else self.training.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the state of a checkpoint until the loader is made."""
        self.saved = state_dict

    def _loader(self, folds: Any, **options: Any) -> pipes.Loader:
        """Return batches of some folds, on this process's device."""
        assert self.trainer is not None
        device = self.trainer.strategy.root_device
        records = self.store.select(folds=folds)
        return pipes.loader(records, self.batch_size, device=device, **options)


class Classifier(lightning.LightningModule):
    """A small convolutional network."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.network = nn.Sequential(
            *(nn.Conv1d(12, 32, 15, stride=5), nn.ReLU()),
            *(nn.Conv1d(32, 64, 9, stride=4), nn.ReLU()),
            *(nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(64, n_classes)),
        )

    def training_step(self, batch: pipes.Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        return self._loss(batch, "train_loss")

    def validation_step(self, batch: pipes.Batch, batch_idx: int) -> None:
        """Log the loss of a batch."""
        self._loss(batch, "val_loss")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer."""
        return torch.optim.AdamW(self.parameters(), lr=1e-3)

    def _loss(self, batch: pipes.Batch, name: str) -> Tensor:
        """Return the loss of a batch, and log it."""
        assert batch.signals is not None
        assert batch.labels is not None
        logits = self.network(batch.signals)
        loss = binary_cross_entropy_with_logits(logits, batch.labels)
        self.log(name, loss, batch_size=len(batch))  # it cannot infer the size
        return loss


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("store")
parser.add_argument("--steps", type=int, default=1000)
parser.add_argument("--batch-size", type=int, default=64)
parser.add_argument("--folder", type=Path, default="lightning_checkpoints")
parser.add_argument("--save-every", type=int, default=100, help="steps")
options = parser.parse_args()

lightning.seed_everything(0)
data = EcgData(options.store, options.batch_size)
saving = ModelCheckpoint(
    options.folder, save_last=True, every_n_train_steps=options.save_every
)
trainer = lightning.Trainer(
    max_steps=options.steps,
    callbacks=[saving],
    default_root_dir=options.folder,
    logger=False,
)
last = options.folder / "last.ckpt"
trainer.fit(
    Classifier(len(data.store.label_names)),
    data,
    ckpt_path=last if last.exists() else None,
)
