"""Networks from signals to features and logits."""
