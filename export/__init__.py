"""From PyTorch to a decoder file: the exported graph, its metadata, and checks that it computes what PyTorch does."""
