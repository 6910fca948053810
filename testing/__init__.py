"""Fakes, servers and callers that tests and benches share."""
