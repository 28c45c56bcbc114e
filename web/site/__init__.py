"""Code shared by all pages: errors, security, limits, language, formats and assets."""
