"""Measurements of speed and fidelity; each module is a command: `python -m benchmarks.<name>`."""
