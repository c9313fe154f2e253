"""The wording: catalogs, forms, SMS segments, and the generator that Rasa asks."""
