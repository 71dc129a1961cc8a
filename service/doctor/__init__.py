"""The checks of an installation: facts/ asks, examine.py collects, checks/ judges."""
