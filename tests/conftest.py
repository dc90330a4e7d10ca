"""Settings for all tests: hypothesis without a deadline (the first torch call is slow), one thread, a shared Ray."""

import os

import torch
from hypothesis import settings

settings.register_profile("collab", deadline=None, derandomize=True, max_examples=25)
settings.load_profile("collab")
torch.set_num_threads(1)
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
