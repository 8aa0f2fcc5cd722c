"""Computing with integers."""
