"""The loop, its losses, optimizers and schedules, and the steps that learn from data."""
