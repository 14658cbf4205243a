"""The engine "neurokit": NeuroKit2 in every lead, and a vote of the leads."""
