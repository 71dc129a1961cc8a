"""What a process tells of itself: log lines, counters, and the record that each request leaves."""
