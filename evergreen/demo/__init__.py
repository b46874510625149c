"""A page on which a person tries a published model; it runs the code that training and serving run."""
