"""Rules that check an installation."""
