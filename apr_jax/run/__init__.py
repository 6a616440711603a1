"""The folder of a run: its configuration, checkpoints, state and metrics."""
