"""What all tests share."""

from hypothesis import HealthCheck, settings

# A busy machine is no failure: properties are judged by what they find, pytest's own timeout by how long it takes.
settings.register_profile("evergreen", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("evergreen")
