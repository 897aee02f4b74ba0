"""A small exact world: seeded scenes, their motion, and a renderer that shows them."""
