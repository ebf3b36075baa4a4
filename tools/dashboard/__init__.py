"""A local web page that shows what a pipeline publishes: a subscriber like any other, in a process of its own."""
