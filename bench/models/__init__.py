"""Speed of training and prediction."""
