"""Odd values of every kind through every way in, and what must hold whatever they are: `make fuzz`."""
