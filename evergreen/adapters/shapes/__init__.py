"""Generated pictures with their trimaps, for runs and tests that need no data of anyone's."""
