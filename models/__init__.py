"""Motor-unit separation: the search that calibrates a decoder, and how its spike trains are scored."""
