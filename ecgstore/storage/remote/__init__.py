"""Stores at URLs: their bytes are fetched when they are needed, checked and kept."""
