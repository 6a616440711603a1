"""Training: the step, the data it runs on, and the loop with its logs."""
