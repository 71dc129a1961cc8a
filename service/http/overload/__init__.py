"""Requests that come faster than they can be answered: they are held, begun in turns, or left unanswered.

`holding` has what is held and its order, `window` says how many requests may be under way before, and `watch` looks at
both at short intervals. The rules are in docs/explanation/overload.md.
"""
