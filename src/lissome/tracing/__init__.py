"""Which channels live and die together: the network is run on channel labels instead of numbers."""
