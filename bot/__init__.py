"""A multilingual helpline bot: what a person writes, what is answered, and the workers behind it."""
