"""Stream batches from a store: torchdata nodes, imported as `ecgstore.pipes`."""
