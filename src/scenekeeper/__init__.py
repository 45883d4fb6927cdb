"""Robot recordings in; tracked masks, a 3D scene graph and training labels out."""
