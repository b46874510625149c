"""One file per command of `run.py`. Heavy imports wait until a command runs, so that `--help` answers at once."""
