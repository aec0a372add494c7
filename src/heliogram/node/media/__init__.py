"""Pictures, decoded in a process of their own that has limits and nothing else."""
