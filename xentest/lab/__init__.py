"""The spare machine in a box: an emulated one that runs the very same programs."""
