"""A person guided through a measurement: find the stream, check, record, calibrate, review, go live."""
