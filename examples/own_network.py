"""Train, evaluate and predict with a network of one's own.

python examples/own_network.py challenge.h5 new_records/ runs/mine
"""

import sys

from torch import Tensor, nn

import ecgstore
from ecgstore import models


class Mine(nn.Module):
    """Two convolutions; their 64 channels are averaged over time."""

    n_features = 64

    def __init__(self, n_leads: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv1d(n_leads, 32, 15, stride=5), nn.BatchNorm1d(32), nn.ReLU()),
            *(nn.Conv1d(32, 64, 9, stride=4), nn.BatchNorm1d(64), nn.ReLU()),
        )

    def forward(self, signals: Tensor) -> Tensor:
        """Map (n_records, n_leads, n_samples) to (n_records, 64, n_frames)."""
        return self.layers(signals)


if __name__ == "__main__":
    store_file, records, folder = sys.argv[1:]
    network = f"{__file__}:Mine"  # or: models.register("mine", Mine)
    store = ecgstore.open(store_file)
    models.train(
        folder,
        store,
        model=models.ModelSettings(model=network, fs=100.0),
        settings=models.TrainingSettings(epochs=5),
    )
    checkpoint = models.Checkpoint.load(folder, model=network)
    print(checkpoint)
    print(models.evaluate(checkpoint, store).scores.overall)
    for prediction in models.predict(checkpoint, records):
        print(prediction.record_id, prediction.status, prediction.probabilities)
