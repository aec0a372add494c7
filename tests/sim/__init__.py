"""Many devices in one process, driven by Hypothesis."""
