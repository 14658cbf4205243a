"""Colours, panels and files that all plots share."""
