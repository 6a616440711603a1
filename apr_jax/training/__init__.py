"""Training: the state, the optimizer, the step, checkpoints, and the loop that joins them."""
