"""The live path: samples in over LSL, motor-unit spikes out over ZeroMQ. Never imports torch."""
