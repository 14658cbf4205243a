"""Speed of trainings."""
