"""Recomputing a run from what is on disk: no model, no torch."""
