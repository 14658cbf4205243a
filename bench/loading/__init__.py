"""Speed of loaders, side by side."""
