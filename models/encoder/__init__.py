"""The informed autoencoder: a network from waveforms to parameters, with the physics as its decoder."""
