"""How long the viewer takes to show what is asked for."""
