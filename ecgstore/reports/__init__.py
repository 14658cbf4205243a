"""Reports that travel: one self-contained HTML file, readable on screen and paper."""
