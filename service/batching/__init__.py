"""Shared work: statements that concurrent calls share, and answers that are cached while their revisions hold."""
