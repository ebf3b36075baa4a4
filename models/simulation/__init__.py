"""Recordings with known truth: a motor-unit pool, its muscle, and the EMG under an array."""
