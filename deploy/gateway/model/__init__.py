"""The model that is served: its versions, how it loads, and how long it takes."""
