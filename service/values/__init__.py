"""The rules of values that come from outside, one place for each kind: every way in and out goes through it."""
