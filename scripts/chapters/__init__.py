"""Running chapters, here and as on other machines."""
