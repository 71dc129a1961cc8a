"""Telemetry of a process: log lines, counters, and the record that each request leaves."""
