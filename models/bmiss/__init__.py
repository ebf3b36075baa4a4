"""Source separation by inverting a model of the muscle (BMISS): units are searched by what they would look like."""
