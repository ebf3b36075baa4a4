"""Motor-unit parameters by inverting the physics: the decoder is the forward model, its inputs are the parameters."""
