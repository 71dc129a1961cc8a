"""The checks of an installation: facts.py asks, examine.py collects, checks.py judges."""
