"""Architectures, one file each: the file's name is the name of the model.

Each file defines ``trunk(n_leads)``, which returns the layers between the normalisation
and the mean over time: see `ecgstore.models.networks.extractor.Trunk`. A file that is
added here is a model of `create_model`, of the command line and of the tests.
"""
