"""What a trained model says about the records; needs PyTorch."""
