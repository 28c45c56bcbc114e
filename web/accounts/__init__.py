"""Views for accounts: sign-in, the account page with its data and deletion, and administration."""
