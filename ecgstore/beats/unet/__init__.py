"""The engine "ecgstore": a small U-Net, run by numba kernels."""
