"""What one party of a run does in its stages; `collab.entity` says which and when."""
