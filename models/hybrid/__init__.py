"""A classifier on handcrafted and deep features, trained once and used anywhere."""
