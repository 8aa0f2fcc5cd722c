"""What a network costs, counted."""
