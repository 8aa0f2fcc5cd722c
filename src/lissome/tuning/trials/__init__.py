"""What a search tries, how it is looked at, and where it is kept."""
