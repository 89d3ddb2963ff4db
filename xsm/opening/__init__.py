"""Files as users have them, opened as one daily record: forms of the products, places, days."""
