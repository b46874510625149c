"""What all tests share."""

import os

from hypothesis import HealthCheck, settings

# A busy machine is no failure: properties are judged by what they find, pytest's own timeout by how long it takes.
settings.register_profile("evergreen", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("evergreen")

# Two test processes run side by side: threads of two trainings that wait for one another would slow both down.
os.environ["OMP_NUM_THREADS"] = "1"
