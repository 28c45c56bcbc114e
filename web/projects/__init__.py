"""Views for projects: creation, overview, settings, members, dashboard and leaderboard."""
