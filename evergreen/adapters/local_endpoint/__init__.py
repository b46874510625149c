"""A live endpoint on this machine: one front process with a traffic split, one worker process per model version."""
