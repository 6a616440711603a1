"""What is evaluated: a function of images with a name, and where it comes from."""
