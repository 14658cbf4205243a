"""Records below URLs: listed, and copied to the disk, where everything reads them."""
