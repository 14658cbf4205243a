"""Orders in which records are taken."""
