"""Whole nodes, killed and cheated: processes, sockets and disks are real."""
