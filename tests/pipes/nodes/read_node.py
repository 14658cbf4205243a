"""A node that reads all records in their order."""

from typing import Any

from torchdata.nodes import BaseNode

from ecgstore import pipes
from ecgstore.pipes.batch import Batch
from ecgstore.storage import Store


def read_node(store: Store, **options: Any) -> BaseNode[Batch]:
    rows = pipes.Rows(store, pipes.Sequential(len(store)), 5)
    return pipes.Read(rows, pipes.RecordReader(store, "signals", **options))
