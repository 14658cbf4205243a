"""The comparison of handcrafted, deep and fused classifiers."""
