"""What all pages share: errors, security, limits, language, formats and assets."""
