"""A multi-entity collaboration simulator: who gains what, and who discloses what, by sharing poisoned features."""
