"""The commands: they read their options and call the package."""
