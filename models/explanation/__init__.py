"""Why a model decided as it did for one record."""
