"""Pages and pictures of the site that are written by scripts."""
