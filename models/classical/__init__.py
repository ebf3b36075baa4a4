"""Conduction velocity and innervation zone of one unit's waveform by classical means: the yardsticks of the network."""
