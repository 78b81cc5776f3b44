"""Side-by-side benchmark of this project's server and two rivals."""
