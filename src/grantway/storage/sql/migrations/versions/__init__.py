"""The migrations, oldest first. A migration that was released is never changed."""
