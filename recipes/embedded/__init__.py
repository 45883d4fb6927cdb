"""The recipe of the embedded labeler: frames from the simulator, two networks, their scores."""
