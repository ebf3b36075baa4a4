"""Recordings in the formats of amplifiers and of other programs: one module a format."""
