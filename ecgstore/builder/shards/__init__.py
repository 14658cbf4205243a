"""A build of many stores, shards, each on any machine, and their collection."""
