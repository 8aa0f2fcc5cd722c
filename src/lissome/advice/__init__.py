"""What to do next and why: one rule a file, and what the feature maps themselves say."""
