"""The engine "neurokit": NeuroKit2 lead by lead, and agreement of the leads."""
