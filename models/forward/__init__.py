"""Forward physics: from a motor unit's parameters to its waveform at the electrodes, differentiable, in PyTorch."""
