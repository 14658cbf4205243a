"""Training of the network that finds beats and waves."""
