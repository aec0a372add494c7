"""What a node keeps."""
