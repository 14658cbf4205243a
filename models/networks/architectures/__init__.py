"""Architectures, one file each: the file's name is the name of the model.

Each file defines ``trunk(n_leads)``, which returns the layers between normalisation and
the mean over time: see `ecgstore.models.networks.extractor.Trunk`. A file added here is
a model that `create_model`, the command line and the tests know.
"""
